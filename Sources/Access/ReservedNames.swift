/// Names that stand for something already, and that no key may therefore be given.
package enum ReservedNames {
    /// What they are, for messages.
    package static let text = "everybody, and names that begin with jwt: or key_, are the server's own"

    /// Of the owners of JSON Web Tokens.
    package static let tokenOwnerPrefix = JWTVerifier.ownerPrefix

    private static let prefixes = [JWTVerifier.ownerPrefix, "key_"]

    /// Whether a key of that name would own what was made without keys, or could be taken for one that the server has named.
    package static func contains(_ name: String) -> Bool {
        name == Authentication.everybody || prefixes.contains { name.hasPrefix($0) }
    }
}

/// Names with a meaning of their own, which no key may have.
package enum ReservedNames {
    /// The reserved names, for messages.
    package static let text = "everybody, and names that begin with jwt: or key_, are the server's own"

    /// Prefix of the owners of JSON Web Tokens.
    package static let tokenOwnerPrefix = JWTVerifier.ownerPrefix

    private static let prefixes = [JWTVerifier.ownerPrefix, "key_"]

    /// Whether a key with this name would own what was created without keys, or could be taken for one named by the server.
    package static func contains(_ name: String) -> Bool {
        name == Authentication.everybody || prefixes.contains { name.hasPrefix($0) }
    }
}

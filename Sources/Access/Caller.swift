package import Sessions

/// Who calls, and what it may do.
package struct Caller: Sendable {
    /// Owns what is made: others cannot tell it from what is not there.
    package var owner: String
    /// What limits and usage are counted by: the identifier of a stored key, or the name of one in the settings.
    package var keyID: String
    /// What the operator calls the key, for logs; nil: ``keyID``.
    package var keyName: String?
    package var scopes: Scopes = .all
    package var limits = RateLimits()
    /// How it is told of cuts, if a request does not say.
    package var cutForm = CutForm.native
    /// What a short-lived credential was narrowed to.
    package var binding: Binding?
    /// Seconds since 1970; nil: never.
    package var expiresAt: Int?
    /// Whether it came with a key itself, and not with what was made from one.
    package var hasKey = true

    /// One thing that alone may be read or spoken to.
    package enum Binding: Sendable, Hashable {
        case session(String)
        case response(String)
    }

    /// The one caller of a server without keys.
    package static func everybody(_ limits: RateLimits = RateLimits()) -> Caller {
        Caller(owner: Authentication.everybody, keyID: Authentication.everybody, scopes: .admin, limits: limits)
    }

    /// Whether it has the scopes; nil: none are needed.
    package func has(_ scopes: Scopes?) -> Bool { scopes.map(self.scopes.isSuperset) ?? true }
}

package import Sessions

/// An authenticated caller, and what it may do.
package struct Caller: Sendable {
    /// The owner of the caller's objects; other callers cannot tell them from missing ones.
    package var owner: String
    /// Identifies the key for limits and usage: the identifier of a stored key, or the name of one in the settings.
    package var keyID: String
    /// The operator's label of the key, for logs; nil for ``keyID``.
    package var keyName: String?
    /// What the caller may do.
    package var scopes: Scopes = .all
    /// The limits of its key.
    package var limits = RateLimits()
    /// How the caller is told of interrupted responses, unless a request says.
    package var cutForm = CutForm.native
    /// What a short-lived credential is restricted to.
    package var binding: Binding?
    /// Seconds since 1970; nil for never.
    package var expiresAt: Int?
    /// Whether the caller sent a key itself, not a credential derived from one.
    package var hasKey = true

    /// The one object that a credential gives access to.
    package enum Binding: Sendable, Hashable {
        case session(String)
        case response(String)
    }

    /// The caller of every request on a server without keys.
    package static func everybody(_ limits: RateLimits = RateLimits()) -> Caller {
        Caller(owner: Authentication.everybody, keyID: Authentication.everybody, scopes: .admin, limits: limits)
    }

    /// Whether the caller has the scopes; true for nil, which requires none.
    package func has(_ scopes: Scopes?) -> Bool { scopes.map(self.scopes.isSuperset) ?? true }
}

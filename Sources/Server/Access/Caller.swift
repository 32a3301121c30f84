import HTTP
import Sessions

/// Who calls, and what it may do.
struct Caller: Sendable {
    /// Owns what is made: others cannot tell it from what is not there.
    var owner: String
    /// What limits and usage are counted by: the identifier of a stored key, or the name of one in the settings.
    var keyID: String
    /// What the operator calls the key, for logs; nil: ``keyID``.
    var keyName: String?
    var scopes: Scopes = .all
    var limits = RateLimits()
    /// How it is told of cuts, if a request does not say.
    var cutForm = CutForm.native
    /// What a short-lived credential was narrowed to.
    var binding: Binding?
    /// Seconds since 1970; nil: never.
    var expiresAt: Int?
    /// Whether it came with a key itself, and not with what was made from one.
    var hasKey = true

    /// One thing that alone may be read or spoken to.
    enum Binding: Sendable, Hashable {
        case session(String)
        case response(String)
    }

    /// The one caller of a server without keys.
    static func everybody(_ limits: RateLimits = RateLimits()) -> Caller {
        Caller(owner: Authentication.everybody, keyID: Authentication.everybody, scopes: .admin, limits: limits)
    }

    /// - Throws: ``APIError`` 403 that names the scope that is missing.
    func require(_ scope: Scopes?) throws(APIError) {
        guard let scope, !scopes.isSuperset(of: scope) else { return }
        throw APIError(
            status: .forbidden, message: "The key lacks the scope '\(scope.text)', which this call needs.", code: "missing_scope")
    }
}

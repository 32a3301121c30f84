import Bytes
import HTTP
import Network

/// Who may read what concerns the operator alone: metrics and connections of everybody.
///
/// A key of its own, since the keys of clients open only what is theirs. Without one: everybody on a server without keys that only
/// this machine can reach, and nobody on any other.
struct OperatorAccess: Sendable {
    private let key: String?
    private let isOpen: Bool

    init(_ configuration: ServerConfiguration) {
        key = configuration.operatorKey
        isOpen = !configuration.requiresKey && configuration.principals.isEmpty && configuration.isLoopbackOnly
    }

    /// - Parameters:
    ///   - attempts: the limit on wrong keys, which holds for this one as for those of clients.
    ///   - now: as the loop has it.
    ///   - keysAreRequired: whether a key is needed now; the first may have been made since the server started.
    /// - Throws: ``APIError`` 401 without the key or with another, 403 when there is none that could be given, 429 after too many wrong
    ///   ones.
    func check(
        _ request: RequestHead, from address: IPAddress?, attempts: FailedAttempts, now: Instant, keysAreRequired: Bool = false
    ) throws(APIError) {
        guard let key else {
            if isOpen, !keysAreRequired { return }
            throw APIError(
                status: .forbidden,
                message: "Metrics and connections are for the operator: start the server with --operator-key KEY and send it.",
                code: "operator_key_not_set")
        }
        let given = Authentication.key(request)
        if given != nil, let wait = attempts.waiting(address, now: now) { throw Authentication.tooManyAttempts(wait) }
        guard let given, key.utf8.isEqualInConstantTime(to: given.utf8) else {
            if given != nil { attempts.note(address, now: now) }
            throw APIError(
                status: .unauthorized, message: "The operator's key is needed: send it as 'Authorization: Bearer KEY'.",
                type: "authentication_error", code: "operator_key_needed", fields: [("WWW-Authenticate", "Bearer")])
        }
    }
}

package import Bytes
package import HTTP
package import Network

/// Who may read what concerns the operator alone: metrics and connections of everybody.
///
/// A key of its own, since the keys of clients open only what is theirs. Without one: everybody on a server without keys that only
/// this machine can reach, and nobody on any other.
package struct OperatorAccess: Sendable {
    private let key: String?
    private let isOpen: Bool

    /// - Parameter isLoopbackOnly: whether only this machine can reach the server.
    package init(_ settings: AccessSettings, isLoopbackOnly: Bool) {
        key = settings.operatorKey
        isOpen = !settings.requiresKey && settings.principals.isEmpty && isLoopbackOnly
    }

    /// - Parameters:
    ///   - attempts: the limit on wrong keys, which holds for this one as for those of clients.
    ///   - now: as the loop has it.
    ///   - keysAreRequired: whether a key is needed now; the first may have been made since the server started.
    /// - Throws: ``AccessError/operatorKeyNeeded`` without the key or with another, ``AccessError/operatorKeyNotSet`` when there is none
    ///   that could be given, ``AccessError/tooManyAttempts(retryAfter:)`` after too many wrong ones.
    package func check(
        _ request: RequestHead, from address: IPAddress?, attempts: FailedAttempts, now: Instant, keysAreRequired: Bool = false
    ) throws(AccessError) {
        guard let key else {
            if isOpen, !keysAreRequired { return }
            throw .operatorKeyNotSet
        }
        let given = Authentication.key(request)
        if given != nil, let wait = attempts.waiting(address, now: now) { throw .tooManyAttempts(retryAfter: wait) }
        guard let given, key.utf8.isEqualInConstantTime(to: given.utf8) else {
            if given != nil { attempts.note(address, now: now) }
            throw .operatorKeyNeeded
        }
    }
}

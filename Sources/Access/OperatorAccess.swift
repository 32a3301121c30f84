package import Bytes
package import HTTP
package import Network

/// Controls access to what concerns the operator alone: metrics, and the connections of all clients.
///
/// The operator has a key of its own, since client keys open only their own objects. Without one, access is open on a server that
/// has no keys and is reachable from this machine only; on any other it is closed.
package struct OperatorAccess: Sendable {
    private let key: String?
    private let isOpen: Bool

    /// - Parameter isLoopbackOnly: whether the server is reachable from this machine only.
    package init(_ settings: AccessSettings, isLoopbackOnly: Bool) {
        key = settings.operatorKey
        isOpen = !settings.requiresKey && settings.principals.isEmpty && isLoopbackOnly
    }

    /// Checks the operator key of a request.
    /// - Parameters:
    ///   - attempts: the limit on wrong keys, shared with client keys.
    ///   - now: the loop's time.
    ///   - keysAreRequired: whether clients need a key now; the first may have been created since the server started.
    /// - Throws: ``AccessError/operatorKeyNeeded`` without the key or with another, ``AccessError/operatorKeyNotSet`` if none is
    ///   configured, ``AccessError/tooManyAttempts(retryAfter:)`` after too many wrong keys.
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

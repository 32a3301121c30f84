package import Network

/// Accounts that live outside of sessions but follow what happens in them. Called on the session's loop.
package protocol SessionAccounting: Sendable {
    /// The key that a response was admitted for; nil if it was not.
    func keyID(of responseID: String) -> String?
    /// Admits again a response that has run since before a restart.
    func resume(_ responseID: String, owner: String, keyID: String, now: Instant)
    /// Erases everything that describes deleted sessions or responses.
    func erase(_ ids: [String])
}

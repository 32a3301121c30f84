package import Network

/// Accounts that are kept outside of sessions and follow what becomes of them. Called on the session's loop.
package protocol SessionAccounting: Sendable {
    /// The key that a response was admitted for; nil: it was not.
    func keyID(of responseID: String) -> String?
    /// Admits a response again that has run since before the process was started.
    func resume(_ responseID: String, owner: String, keyID: String, now: Instant)
    /// Sessions or responses are deleted: nothing that tells of them may remain.
    func erase(_ ids: [String])
}

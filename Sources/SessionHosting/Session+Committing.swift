import Hosting
import Sessions

/// Clients see a change only once it is committed; a wait for the disk has a deadline.
extension Session {
    /// Waits until everything that has happened in the session so far is committed, at most for ``Hosting/CommitWait/deadline``.
    /// - Parameter then: called once on the session's loop, at once if it is committed; with false after the deadline, or if the
    ///   store has refused a change.
    package func whenCommitted(_ then: @escaping (Bool) -> Void) {
        CommitWait.begin(
            schedule: { host.schedule(after: CommitWait.deadline, $0) }, commit: log.whenCommitted, then: then)
    }

    /// Forgets the session if no client can know of it, because nothing of it was ever committed.
    func forgetIfNeverCommitted() {
        if log.committedPosition == 0 { host.forget(self) }
    }
}

import Hosting
import Sessions

/// A change is committed before a client is told of it, and a wait for the disk has an end.
extension Session {
    /// Waits until everything that has happened here until now is committed, but not for longer than ``Hosting/CommitWait/deadline``.
    /// - Parameter then: called once on the session's loop, at once if it is committed; with false when the time is over, or when
    ///   the store has refused a change.
    package func whenCommitted(_ then: @escaping (Bool) -> Void) {
        CommitWait.begin(
            schedule: { host.schedule(after: CommitWait.deadline, $0) }, commit: log.whenCommitted, then: then)
    }

    /// Forgets the session if nobody can know of it, since nothing of it was ever committed.
    func forgetIfNeverCommitted() {
        if log.committedPosition == 0 { host.forget(self) }
    }
}

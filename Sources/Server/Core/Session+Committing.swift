import HTTP
import Network
import Sessions

/// A change is committed before a client is told of it, and a wait for the disk has an end.
extension Session {
    /// How long an answer waits for the disk. A disk that works takes milliseconds; one that is full, or hangs, may take hours.
    static let commitDeadline = Duration.seconds(10)

    /// Waits until everything that has happened here until now is committed, but not for longer than ``commitDeadline``.
    /// - Parameter then: called once on the session's loop, at once if it is committed; with false when the time is over, or when
    ///   the store has refused a change.
    func whenCommitted(_ then: @escaping (Bool) -> Void) {
        CommitWait.begin(then, deadline: { host.schedule(after: Self.commitDeadline, $0) }, commit: log.whenCommitted)
    }

    /// Forgets the session if nobody can know of it, since nothing of it was ever committed.
    func forgetIfNeverCommitted() {
        if log.committedPosition == 0 { host.forget(self) }
    }
}

extension GenerationSink {
    /// As ``Sessions/Session/whenCommitted(_:)``, for what the response was told.
    func whenCommitted(on loop: EventLoop, _ then: @escaping (Bool) -> Void) {
        CommitWait.begin(
            then,
            deadline: { overdue in
                let timer = loop.schedule(after: Session.commitDeadline, overdue)
                return { timer.cancel() }
            }, commit: whenCommitted)
    }
}

/// A wait for a commit that has an end.
private final class CommitWait {
    private var then: ((Bool) -> Void)?
    private var cancelTimer: (() -> Void)?

    private init(_ then: @escaping (Bool) -> Void) { self.then = then }

    /// - Parameters:
    ///   - then: gets whether it was committed in time.
    ///   - deadline: runs its argument when the time is over, unless the closure that it returns was called before.
    ///   - commit: runs its argument when it is committed: at once, if it is.
    static func begin(
        _ then: @escaping (Bool) -> Void, deadline: (@escaping () -> Void) -> () -> Void, commit: (@escaping () -> Void) -> Void
    ) {
        let wait = CommitWait(then)
        commit { wait.end(true) }
        if wait.then != nil { wait.cancelTimer = deadline { wait.end(false) } }
    }

    private func end(_ isCommitted: Bool) {
        guard let then else { return }
        self.then = nil
        cancelTimer?()
        cancelTimer = nil
        then(isCommitted)
    }
}

extension APIError {
    /// The disk did not take in time what the answer would have told of.
    static var notCommitted: APIError {
        APIError(
            status: .serviceUnavailable,
            message: "The server cannot write its data now. What you sent was not kept and is withdrawn: send it again later.",
            type: "server_error", code: "storage_unavailable", retryAfterSeconds: 5)
    }

    /// The disk did not take a change in time, which waits for it still, or gave no answer.
    static var notCommittedInTime: APIError {
        APIError(
            status: .serviceUnavailable,
            message: "The server cannot read or write its data now. A change may still be made: look before you send it again.",
            type: "server_error", code: "storage_unavailable", retryAfterSeconds: 5)
    }

    /// The same in the words for somebody who has sent nothing.
    var ofRead: APIError {
        guard code == Self.notCommitted.code, message == Self.notCommitted.message else { return self }
        var error = self
        error.message = "The server cannot write its data now, and tells nothing that it has not kept. Ask again later."
        return error
    }

    /// The disk takes nothing, and a response that runs cannot be brought to its end.
    static var storageStalled: APIError {
        APIError(
            status: .serviceUnavailable,
            message: "The server cannot write its data now, and sends nothing that it cannot keep. Fetch the response later.",
            type: "server_error", code: "storage_unavailable", retryAfterSeconds: 5)
    }
}

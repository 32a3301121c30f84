import HTTP
import Network
import Sessions

/// What somebody is told of must be on the disk first, and a wait for the disk has an end.
extension Session {
    /// How long an answer waits for the disk. A disk that works takes milliseconds; one that is full, or hangs, may take hours.
    static let keepingDeadline = Duration.seconds(10)

    /// Waits until everything that has happened here until now is safe, but not for longer than ``keepingDeadline``.
    /// - Parameter then: called once on the session's loop, at once if it is safe; with false when the time is over, or when the
    ///   store has refused what was to be kept.
    func whenKept(_ then: @escaping (Bool) -> Void) {
        KeepingWait.begin(then, deadline: { host.schedule(after: Self.keepingDeadline, $0) }, commit: log.whenCommitted)
    }

    /// Forgets the session if nobody can know of it, since nothing of it was ever kept.
    func forgetIfNeverKept() {
        if log.committedPosition == 0 { host.forget(self) }
    }
}

extension GenerationSink {
    /// As ``Sessions/Session/whenKept(_:)``, for what the response was told.
    func whenKept(on loop: EventLoop, _ then: @escaping (Bool) -> Void) {
        KeepingWait.begin(
            then,
            deadline: { overdue in
                let timer = loop.schedule(after: Session.keepingDeadline, overdue)
                return { timer.cancel() }
            }, commit: whenCommitted)
    }
}

/// A wait for a commit that has an end.
private final class KeepingWait {
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
        let wait = KeepingWait(then)
        commit { wait.end(true) }
        if wait.then != nil { wait.cancelTimer = deadline { wait.end(false) } }
    }

    private func end(_ isKept: Bool) {
        guard let then else { return }
        self.then = nil
        cancelTimer?()
        cancelTimer = nil
        then(isKept)
    }
}

extension APIError {
    /// The disk did not take in time what the answer would have told of.
    static var notKept: APIError {
        APIError(
            status: .serviceUnavailable,
            message: "The server cannot write its data now. What you sent was not kept and is withdrawn: send it again later.",
            type: "server_error", code: "storage_unavailable", retryAfterSeconds: 5)
    }

    /// The disk did not take a change in time, which waits for it still, or gave no answer.
    static var notKeptInTime: APIError {
        APIError(
            status: .serviceUnavailable,
            message: "The server cannot read or write its data now. A change may still be made: look before you send it again.",
            type: "server_error", code: "storage_unavailable", retryAfterSeconds: 5)
    }

    /// The same in the words for somebody who has sent nothing.
    var ofRead: APIError {
        guard code == Self.notKept.code, message == Self.notKept.message else { return self }
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

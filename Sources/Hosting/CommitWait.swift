package import Network

/// Waits for a commit, up to a deadline. Loop-confined.
package final class CommitWait {
    /// How long an answer waits for the disk. A working disk takes milliseconds; a full or hanging one may take hours.
    package static let deadline = Duration.seconds(10)

    private var then: ((Bool) -> Void)?
    private var cancelTimer: (() -> Void)?

    private init(_ then: @escaping (Bool) -> Void) { self.then = then }

    /// - Parameters:
    ///   - schedule: runs its argument after ``deadline``, unless the closure that it returns is called first.
    ///   - commit: runs its argument once committed; at once, if it already is.
    ///   - then: called once, with whether the commit came in time.
    package static func begin(
        schedule: (@escaping () -> Void) -> () -> Void, commit: (@escaping () -> Void) -> Void, then: @escaping (Bool) -> Void
    ) {
        let wait = CommitWait(then)
        commit { wait.end(true) }
        if wait.then != nil { wait.cancelTimer = schedule { wait.end(false) } }
    }

    /// Like ``begin(schedule:commit:then:)``, with a timer of the loop.
    package static func begin(on loop: EventLoop, commit: (@escaping () -> Void) -> Void, then: @escaping (Bool) -> Void) {
        begin(
            schedule: { overdue in
                let timer = loop.schedule(after: deadline, overdue)
                return { timer.cancel() }
            }, commit: commit, then: then)
    }

    private func end(_ isCommitted: Bool) {
        guard let then else { return }
        self.then = nil
        cancelTimer?()
        cancelTimer = nil
        then(isCommitted)
    }
}

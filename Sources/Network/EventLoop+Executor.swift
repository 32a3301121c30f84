/// The executor of the actors and tasks on the loop: their jobs run in its iterations, through its mailbox.
extension EventLoop: SerialExecutor, TaskExecutor {
    public func enqueue(_ job: consuming ExecutorJob) {
        if mailbox.post(.job(UnownedJob(job))) { wake() }
    }

    public func asUnownedSerialExecutor() -> UnownedSerialExecutor {
        UnownedSerialExecutor(complexEquality: self)
    }

    public func isSameExclusiveExecutionContext(other: EventLoop) -> Bool { other === self }

    public func checkIsolated() {
        // number-safe: what runs where is the code's to say; no input does
        precondition(isCurrent, "not on event loop \(index)")
    }

    public func isIsolatingCurrentContext() -> Bool? { isCurrent }
}

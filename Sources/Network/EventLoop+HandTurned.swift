import CLinux

/// A loop without a thread, which a test drives: it has a thread only while one of these calls lasts, and that is the caller's. What
/// happens, and in which order, then depends on nothing but what the test does; with ``LoopClock/manual()`` that goes for time too.
extension EventLoop {
    /// Runs `body` as this loop: ``isCurrent`` and the executor's checks hold within it, and what is loop-confined may be used.
    ///
    /// What it posts or writes waits for the next ``turnOnce()``.
    @discardableResult package func enter<Result, Failure>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result {
        let outer = clinux_get_current_loop()
        clinux_set_current_loop(Unmanaged.passUnretained(self).toOpaque())
        defer { clinux_set_current_loop(outer) }
        return try body()
    }

    /// Runs one iteration without waiting: sockets that are ready, due timers, the mailbox, the flush.
    package func turnOnce() {
        withUnsafeTemporaryAllocation(of: epoll_event.self, capacity: Self.eventsPerTurn) { events in
            enter { iterate(events, waitMilliseconds: 0) }
        }
    }

    /// Ends what lives on the loop, as the end of its thread would: without it, connections and timers would hold each other.
    package func end() {
        enter { tearDown() }
    }
}

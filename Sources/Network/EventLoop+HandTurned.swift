import CLinux

/// A loop without a thread, driven by a test: it uses the calling thread, for the duration of one of these calls. Events and their
/// order then depend only on the test and, with ``LoopClock/manual()``, so does the time.
extension EventLoop {
    /// Runs `body` as if on this loop: ``isCurrent`` and the executor's checks hold within it, and loop-confined objects may be
    /// used.
    ///
    /// Posted work and output wait for the next ``turnOnce()``.
    @discardableResult package func enter<Result, Failure>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result {
        let outer = clinux_get_current_loop()
        clinux_set_current_loop(Unmanaged.passUnretained(self).toOpaque())
        defer { clinux_set_current_loop(outer) }
        return try body()
    }

    /// Runs one iteration without waiting: ready sockets, due timers, the mailbox, the flush.
    package func turnOnce() {
        withUnsafeTemporaryAllocation(of: epoll_event.self, capacity: Self.eventsPerTurn) { events in
            enter { iterate(events, waitMilliseconds: 0) }
        }
    }

    /// Releases everything that lives on the loop, as the end of its thread would. Otherwise connections and timers would retain
    /// each other.
    package func end() {
        enter { tearDown() }
    }
}

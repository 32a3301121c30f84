import Network

/// How the objects of a loop stop: the work under way ends, or is suspended, to be continued by the next process.
extension Residents {
    /// How often a loop that drains looks for objects that came to rest.
    private static var drainInterval: Duration { .milliseconds(20) }

    /// Work under way.
    package var workingCount: Int { entries.values.count { $0.object.isWorking } }
    /// Work that waits for what is under way.
    package var waitingCount: Int { entries.values.reduce(0) { $0 + $1.object.waitingCount } }

    /// Lets the followers of each object go when it is at rest and they have everything of it, from now on.
    package func drain() {
        for entry in entries.values where entry.object.isAtRest { entry.object.announceStop() }
        loop.schedule(after: Self.drainInterval) { [weak self] in self?.drain() }
    }

    /// Whether no work is under way or waits, and everything is committed.
    package var isDrained: Bool { workingCount == 0 && waitingCount == 0 && journal?.isCommitted ?? true }

    /// Ends or suspends the work that is under way still.
    /// - Parameter then: called when the ends are committed and were told to the followers that have everything before them: only
    ///   then may connections close.
    package func endAll(then: @escaping () -> Void) {
        for entry in entries.values { entry.object.stop(isStored: entry.lifetime == .stored) }
        let announce = { [weak self] in
            guard let self else { return }
            for entry in self.entries.values { entry.object.announceStop() }
            then()
        }
        if let journal { journal.whenCommitted(announce) } else { announce() }
    }
}

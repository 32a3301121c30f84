import Network

/// Stops the objects of a loop: current work ends, or is suspended and resumes in the next process.
extension Residents {
    /// How often a draining loop looks for objects that have come to rest.
    private static var drainInterval: Duration { .milliseconds(20) }

    /// Number of objects with current work.
    package var workingCount: Int { entries.values.count { $0.object.isWorking } }
    /// Number of requests that wait for current work to end.
    package var waitingCount: Int { entries.values.reduce(0) { $0 + $1.object.waitingCount } }

    /// From now on, disconnects the followers of each object that is at rest once they have received everything.
    package func drain() {
        for entry in entries.values where entry.object.isAtRest { entry.object.announceStop() }
        loop.schedule(after: Self.drainInterval) { [weak self] in self?.drain() }
    }

    /// Whether no work runs or waits, and everything is committed.
    package var isDrained: Bool { workingCount == 0 && waitingCount == 0 && journal?.isCommitted ?? true }

    /// Ends or suspends the remaining work.
    /// - Parameter then: called when the ends are committed and delivered to the followers that have received everything before;
    ///   connections must not close earlier.
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

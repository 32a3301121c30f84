import Bytes
import Network
import Sessions

/// How the sessions of a loop stop: what runs comes to its end, or is left to be gone on with.
extension SessionLoop {
    /// How often a loop that drains looks for sessions that came to rest.
    private static let drainInterval = Duration.milliseconds(20)

    /// Ends the streams of sessions, each when its session is at rest and all of it was delivered.
    func drain() { announceStop() }

    private func announceStop() {
        for resident in residents.values where resident.session.isAtRest { resident.session.announceStop() }
        loop.schedule(after: Self.drainInterval) { [weak self] in self?.announceStop() }
    }

    /// Whether nothing runs any more, and nobody is owed a byte.
    var isDrained: Bool { activeCount == 0 && queuedCount == 0 && isSettled && loop.census().unfinished == 0 }

    /// Whether everything that happened is on the disk.
    var isSettled: Bool { journal?.isSettled ?? true }

    /// Ends what still runs: the clients get a terminal event, and everything closes once it is sent. What is kept and is to be made
    /// although nobody listens goes on when the server is started again.
    /// - Parameter close: called when all of it is committed: only then may connections close.
    func endAll(_ close: @escaping () -> Void) {
        for resident in residents.values {
            if resident.log != nil { resident.session.suspend() }
            if resident.session.isSuspended { continue }
            resident.session.dropQueued()
            resident.session.cancelBeside()
            _ = try? resident.session.cancel(by: nil, reason: .shutdown)
        }
        whenSettled { [weak self] in
            guard let self else { return }
            for resident in self.residents.values { resident.session.announceStop() }
            close()
        }
    }

    private func whenSettled(_ action: @escaping () -> Void) {
        if let journal { journal.whenSettled(action) } else { action() }
    }
}

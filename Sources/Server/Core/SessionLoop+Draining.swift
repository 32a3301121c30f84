import Bytes
import Network
import Sessions

/// How a loop stops: what runs comes to its end, or is left to be gone on with, and connections close behind it.
extension SessionLoop {
    /// How often a loop that drains looks for sessions that came to rest.
    private static let drainInterval = Duration.milliseconds(20)

    /// Lets connections go, each as soon as nothing runs on it: those between two requests now, WebSockets spread over the window,
    /// streams of sessions when their session is at rest and all of it was delivered.
    func drain(window: Duration) {
        loop.finishConnections()
        for socket in sockets.values {
            let delay = Duration.nanoseconds(Int64(saturating: Double(window.nanoseconds) * .random(in: 0..<1)))
            loop.schedule(after: delay) { [weak socket] in socket?.closeWhenAtRest() }
        }
        announceStop()
    }

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
    func endAll() {
        for resident in residents.values {
            if resident.log != nil { resident.session.suspend() }
            if resident.session.isSuspended { continue }
            resident.session.dropQueued()
            _ = try? resident.session.cancel(by: nil, reason: .shutdown)
        }
        // What was said last goes out when it is safe, and only then do connections close.
        whenSettled { [weak self] in
            guard let self else { return }
            for resident in self.residents.values { resident.session.announceStop() }
            for socket in self.sockets.values { socket.closeForRestart() }
            self.loop.finishConnections()
        }
    }

    private func whenSettled(_ action: @escaping () -> Void) {
        if let journal { journal.whenSettled(action) } else { action() }
    }
}

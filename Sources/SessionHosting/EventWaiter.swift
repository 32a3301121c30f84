package import Network
package import Sessions

/// Waits for an event of a session, for a client that polls with `wait`. Does not count as a listener.
package final class EventWaiter: EventReader {
    /// The events that can end the wait.
    package enum Awaited {
        case anyEvent
        /// The end of this response; nil for any.
        case end(ofResponse: String?)

        fileprivate func matches(_ event: SessionEvent) -> Bool {
            switch self {
            case .anyEvent: true
            case .end(let id): event.kind.isTerminal && (id == nil || event.response?.id == id)
            }
        }
    }

    private let awaited: Awaited
    private var then: (() -> Void)?
    private var timer: LoopTimer?

    /// - Parameter then: called once: when the event has arrived, the timeout has passed, or the session is gone.
    package init(loop: EventLoop, for awaited: Awaited, timeout: Duration, then: @escaping () -> Void) {
        self.awaited = awaited
        self.then = then
        super.init(loop: loop, catchUp: .losslessOrClose)
        timer = loop.schedule(after: timeout) { [weak self] in self?.finish() }
    }

    package override func receive(_ event: SessionEvent) -> Cursor.Demand {
        guard awaited.matches(event) else { return .more }
        // After the session's iteration, so that what belongs to the event, such as further events or the record of an end, is
        // there.
        timer?.cancel()
        timer = loop.schedule(after: .zero) { [self] in finish() }
        return .pause
    }

    package override func receivePlaceGone() { finish() }
    package override func sessionClosed() { finish() }
    package override func serverStopping() { finish() }

    /// Ends the wait without calling `then`.
    package func cancel() {
        timer?.cancel()
        then = nil
        stop()
    }

    private func finish() {
        let then = then
        cancel()
        then?()
    }
}

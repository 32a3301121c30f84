package import Network
package import Sessions

/// Waits for an event of a session, for a client that polls with `wait`. It does not count as a listener.
package final class EventWaiter: EventReader {
    /// The event that ends the wait.
    package enum Awaited {
        case anyEvent
        /// The end of this response; nil: of any.
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

    /// - Parameter then: called once: the event has come, the time is over, or the session is gone.
    package init(loop: EventLoop, for awaited: Awaited, timeout: Duration, then: @escaping () -> Void) {
        self.awaited = awaited
        self.then = then
        super.init(loop: loop, catchUp: .losslessOrClose)
        timer = loop.schedule(after: timeout) { [weak self] in self?.finish() }
    }

    package override func receive(_ event: SessionEvent) -> Cursor.Demand {
        guard awaited.matches(event) else { return .more }
        // Not within the session's iteration: what belongs to the event, such as more events or the record of an end, comes with it.
        timer?.cancel()
        timer = loop.schedule(after: .zero) { [self] in finish() }
        return .pause
    }

    package override func receivePlaceGone() { finish() }
    package override func sessionClosed() { finish() }
    package override func serverStopping() { finish() }

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

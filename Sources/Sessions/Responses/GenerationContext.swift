/// A generation's environment: where it writes, its limits, and who is notified. Made by the queue, which holds the references in
/// the other direction. Loop-confined.
final class GenerationContext {
    let sessionID: String
    let owner: String
    let limits: SessionLimits
    let writer: LogWriter
    unowned let host: any SessionHost
    /// The queue that is notified of the end; gone with its session.
    weak var queue: ResponseQueue?

    init(sessionID: String, owner: String, limits: SessionLimits, writer: LogWriter, host: any SessionHost) {
        self.sessionID = sessionID
        self.owner = owner
        self.limits = limits
        self.writer = writer
        self.host = host
    }

    /// A response has begun: its first event is in the log.
    func begun(_ generation: Generation) { tell { $0.begun(generation) } }

    /// A response has ended: its last event is in the log.
    func ended(_ generation: Generation) { tell { $0.ended(generation) } }

    private func tell(_ tell: (any GenerationListener) -> Void) {
        for listener in host.generationListeners { tell(listener) }
        for listener in queue?.listeners ?? [] { tell(listener) }
    }
}

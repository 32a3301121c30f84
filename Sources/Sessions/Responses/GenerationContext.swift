/// What a generation has of the world around it: where it writes, its bounds, and who is told of its course. A queue makes it, and
/// holds the other direction. Loop-confined.
final class GenerationContext {
    let sessionID: String
    let owner: String
    let limits: SessionLimits
    let writer: LogWriter
    unowned let host: any SessionHost
    /// What the generation returns to when it ends; gone with its session.
    weak var queue: ResponseQueue?

    init(sessionID: String, owner: String, limits: SessionLimits, writer: LogWriter, host: any SessionHost) {
        self.sessionID = sessionID
        self.owner = owner
        self.limits = limits
        self.writer = writer
        self.host = host
    }

    /// Tells that a response has begun: its first event is in the log.
    func begun(_ generation: Generation) { tell { $0.begun(generation) } }

    /// Tells that a response has ended: its last event is in the log.
    func ended(_ generation: Generation) { tell { $0.ended(generation) } }

    private func tell(_ tell: (any GenerationListener) -> Void) {
        for listener in host.generationListeners { tell(listener) }
        for listener in queue?.listeners ?? [] { tell(listener) }
    }
}

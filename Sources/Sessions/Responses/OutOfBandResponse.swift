/// The log of a response beside a session's conversation: names the session that it belongs to, is never stored, and lives as long
/// as its ``OutOfBandResponse``.
public final class EphemeralLog: SessionLog {
    /// Identifier of the session that it belongs to.
    public let parentSessionID: String

    init(besides parentSessionID: String, maxByteCount: Int) {
        self.parentSessionID = parentSessionID
        super.init(maxByteCount: maxByteCount)
    }
}

/// A response beside the conversation: runs whatever the session does, writes into a log of its own, and leaves no items. The queue
/// retains it while it runs; a caller that reads it afterwards must retain it. Loop-confined, like its session.
public final class OutOfBandResponse {
    /// The response itself.
    public let generation: Generation
    /// Its log.
    public let log: EphemeralLog
    let audience: Audience
    private let context: GenerationContext
    private weak var queue: ResponseQueue?

    init(_ input: Input, in queue: ResponseQueue) {
        let parent = queue.context
        self.queue = queue
        log = EphemeralLog(besides: parent.sessionID, maxByteCount: parent.limits.maxLogBytes)
        audience = Audience(of: log, owner: parent.owner, host: parent.host, limits: parent.limits, memory: queue.memory)
        context = GenerationContext(
            sessionID: parent.sessionID, owner: parent.owner, limits: parent.limits,
            writer: LogWriter(log, audience: audience, memory: queue.memory), host: parent.host)
        context.queue = queue
        // The ordinal is that in its own log: the session's ordinals are for stored responses.
        generation = Generation(
            ResponseHeader(input, ordinal: 1, sessionID: parent.sessionID, createdAt: parent.host.unixTime),
            GenerationRequest(input), in: context)
        audience.delegate = self
    }

    deinit { audience.memory.changed(by: -log.byteCount) }

    fileprivate func start(reading conversation: [Item]) {
        audience.upstreamChanged(isFlowing: true)
        generation.start(reading: conversation)
        if generation.status.isTerminal { queue?.generationEnded(generation) }
    }

    /// Attaches a cursor to its log and delivers the events after `sequence`; those already in the log at once, within this call.
    /// - Throws: ``SessionError/tooManyCursors(limit:)``.
    public func attach(_ cursor: Cursor, after sequence: Int = 0) throws(SessionError) {
        try audience.attach(cursor, after: sequence)
    }

    /// Cancels the response. No effect if it has ended.
    public func cancel() {
        if generation.status.isTerminal { return }
        generation.stop(.cancelled)
        queue?.generationEnded(generation)
    }
}

extension OutOfBandResponse: AudienceDelegate {
    func snapshot() -> SessionState? { nil }
    func listenerAttached() {}
    func listenerFollows() {}
    func lastListenerLeft() {
        switch generation.policy {
        case .cancel: cancel()
        case .grace(let duration):
            _ = context.host.schedule(after: duration) { [weak self] in
                if let self, !self.audience.isFollowed { self.cancel() }
            }
        case .continuing: break
        }
    }
    func holdUpstream(_ isHeld: Bool) { generation.holdUpstream(isHeld) }
}

extension ResponseQueue {
    /// Responds beside the conversation, whatever runs in it: neither input nor output becomes part of it, and the session has no
    /// events of it.
    /// - Parameter conversation: items that precede the input in the prompt.
    func answerBeside(_ input: Input, reading conversation: [Item]) throws(SessionError) -> OutOfBandResponse {
        let limit = context.limits.maxQueuedInputs
        guard beside.count < limit else { throw .tooManyQueuedInputs(limit: limit) }
        let response = OutOfBandResponse(input, in: self)
        beside.append(response)
        response.start(reading: conversation + input.items)
        return response
    }

    func cancelBeside() { for response in beside { response.cancel() } }
}

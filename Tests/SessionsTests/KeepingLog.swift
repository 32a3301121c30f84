import Sessions

/// A log that keeps what a store would: a session can be made again from it, as after the end of the process.
final class KeepingLog: LogStorage {
    private(set) var events: [LogEvent] = []
    private var record: SessionRecord?
    private var items: [Item] = []
    private var generations: [GenerationRecord] = []

    var lastSequence: Int { events.count }
    var oldestSequence: Int { 1 }
    var byteCount: Int { events.last?.endOffset ?? 0 }

    func append(_ event: LogEvent) { events.append(event) }
    func event(after sequence: Int) -> LogEvent { events[sequence] }

    func keep(_ change: SessionChange) {
        switch change {
        case .created(let record): self.record = record
        case .remembered(let new, let position): items.insert(contentsOf: new, at: position)
        case .itemDeleted(let position): items.remove(at: position)
        case .metadata(let metadata): record?.metadata = metadata
        case .response(let response):
            if let index = generations.firstIndex(where: { $0.id == response.id }) {
                generations[index] = response
            } else {
                generations.append(response)
            }
        case .responseDeleted(let id): generations.removeAll { $0.id == id }
        }
    }

    /// The session as it is when the process has ended now and has begun anew.
    func restart(on host: FakeHost, limits: SessionLimits = SessionLimits()) throws -> Session {
        guard let record else { preconditionFailure("the log is of no session") }
        var references: [String: ResponseReference] = [:]
        var unfinished: [String: [LogEvent]] = [:]
        for generation in generations {
            references[generation.id] = ResponseReference(generation.id, sessionID: record.id)
            unfinished[generation.id] = events.filter { $0.response?.id == generation.id }
        }
        // What a store reads has its own references.
        events = events.map { event in
            LogEvent(
                sequence: event.sequence, type: event.type, response: event.response.flatMap { references[$0.id] },
                responseSequence: event.responseSequence, payload: event.payload, delta: event.delta,
                outputIndex: event.outputIndex, endOffset: event.endOffset)
        }
        let stored = StoredSession(
            record: record, items: items, generations: generations, references: references, unfinishedEvents: unfinished,
            appendedByteCount: byteCount)
        let session = try Session(restoring: stored, host: host, log: self, limits: limits)
        session.recover()
        return session
    }
}

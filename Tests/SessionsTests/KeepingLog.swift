import Sessions

/// A log that holds what a store would: a session can be made again from it, as after the end of the process.
final class KeepingLog: SessionLog {
    private var record: SessionRecord?
    private var items: [Item] = []
    private var generations: [GenerationRecord] = []
    private var encoded: [UInt8] = []
    /// Events that were kept without having been appended.
    private var foreignCount = 0

    init() { super.init(maxByteCount: .max) }

    private init(_ other: KeepingLog, pages: [LogPage], _ epochs: LogEpochs) {
        record = other.record
        items = other.items
        generations = other.generations
        encoded = other.encoded
        super.init(
            maxByteCount: .max, pages: pages, lastPosition: other.lastPosition + other.foreignCount, endOffset: other.encoded.count,
            epochs: epochs)
    }

    override func appended(_ event: SessionEvent) { event.withEncoded { encoded += $0 } }

    /// Keeps an event as another version would have written it, behind all others.
    func keep(encoded event: [UInt8]) {
        encoded += event
        foreignCount += 1
    }

    override func store(_ change: SessionChange) {
        switch change {
        case .created(let record): self.record = record
        case .remembered(let new, let position), .itemsInserted(let new, let position): items.insert(contentsOf: new, at: position)
        case .itemReplaced(let item, let position): items[position] = item
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
    /// - Parameter epochs: such as begin behind all that is there.
    func restart(
        on host: FakeHost, limits: SessionLimits = SessionLimits(), epochs: LogEpochs = LogEpochs()
    ) throws -> Session {
        guard let record else { preconditionFailure("the log is of no session") }
        var headers: [Int: ResponseHeader] = [:]
        for generation in generations { headers[generation.ordinal] = ResponseHeader(generation, sessionID: record.id) }
        let count = lastPosition + foreignCount
        let page = try encoded.withUnsafeBytes { try LogPage(firstPosition: 1, stored: $0, count: count) }
        page.resolve { headers[$0] }
        var unfinished: [Int: [SessionEvent]] = [:]
        for event in [page].events(after: 0, upTo: count) {
            if let ordinal = event.response?.ordinal { unfinished[ordinal, default: []].append(event) }
        }
        let stored = StoredSession(
            record: record, items: items, generations: generations, headers: headers, unfinishedEvents: unfinished,
            newestOrdinal: generations.map(\.ordinal).max() ?? 0)
        let session = try Session(restoring: stored, host: host, log: KeepingLog(self, pages: [page], epochs), limits: limits)
        session.recover()
        return session
    }
}

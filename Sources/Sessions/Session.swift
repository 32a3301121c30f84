import Bytes
public import JSON

/// One conversation: an ordered log of events, the items said so far, at most one running generation, and those who follow.
///
/// Loop-confined: every method runs to its end within one turn of the loop that the session lives on, and that is what makes an
/// interjection atomic. Nothing here knows a socket, a clock or a thread; see ``SessionHost``.
public final class Session {
    public let id: String
    /// Who made it: only this principal reads or writes it.
    public let owner: String
    public let createdAt: Int
    public internal(set) var metadata: JSONValue
    /// Parameters of inputs that bring none of their own.
    public let defaults: ResponseParameters
    public let defaultMode: InterjectionMode
    public let defaultPolicy: DisconnectPolicy
    /// The response that this conversation was branched off.
    public let forkedFrom: String?
    public let limits: SessionLimits
    public unowned let host: any SessionHost

    public let log: SessionLog
    /// The conversation, without the running response.
    public internal(set) var items: [Item]
    /// Bytes of ``items``.
    public internal(set) var conversationByteCount = 0
    public internal(set) var active: Generation?
    public internal(set) var queued: [Generation] = []
    /// Every response of the session, oldest first.
    public internal(set) var generations: [Generation] = []
    public internal(set) var participants: [Participant] = []
    var guests: [String: Participant] = [:]
    public internal(set) var isClosed = false
    /// The host stops: what runs was left where it is, to go on when the session is made again. See ``suspend()``.
    public internal(set) var isSuspended = false
    /// Bytes that the session keeps: its log and its conversation.
    public var byteCount: Int { log.byteCount + conversationByteCount + settingsByteCount }
    /// Bytes of metadata, defaults, and what its responses were asked with.
    private var settingsByteCount = 0

    /// Counts what is kept beside log and conversation.
    func countSettings(_ change: Int) {
        settingsByteCount += change
        onAppend?(change)
    }
    /// Called when ``byteCount`` changes: for budgets that span sessions.
    public var onAppend: ((_ byteCountChange: Int) -> Void)?

    /// Bytes of ``scratch`` kept between responses.
    static let idleScratchByteCount = 4096
    /// Where events are encoded before they are stored.
    var scratch = ByteBuffer()
    var cursors: [Cursor] = []
    /// Behind the last event that a commit had delivered.
    private var commitPlace = LogPlace(position: 0)
    /// How deep the list of cursors is being walked.
    var deliveryDepth = 0
    /// Of the responses that were made so far, the ordinal of the newest.
    var newestOrdinal = 0
    /// Whether the upstream was asked to wait, since all who listen lag far behind.
    var isUpstreamHeld = false
    /// What begun last: the predecessor of the next.
    var latest: Generation?
    /// End the waiting for somebody who listens again.
    var graceCancellations: [() -> Void] = []
    /// The same for what the end of the process has cut: see ``recover()``.
    var restartGraces: [() -> Void] = []

    public init(
        id: String = Identifier.make("sess_"), owner: String, host: any SessionHost, defaults: ResponseParameters,
        mode: InterjectionMode = .interrupt, policy: DisconnectPolicy = .continuing, metadata: JSONValue = [:],
        forking: (generation: Generation, items: [Item])? = nil, limits: SessionLimits = SessionLimits(),
        log: SessionLog? = nil
    ) {
        self.id = id
        self.owner = owner
        self.host = host
        self.defaults = defaults
        self.limits = limits
        self.metadata = metadata
        settingsByteCount = defaults.byteCount + metadata.approximateByteCount
        defaultMode = mode
        defaultPolicy = policy
        createdAt = host.unixTime
        items = forking?.items ?? []
        conversationByteCount = items.reduce(0) { $0 + $1.byteCount }
        forkedFrom = forking?.generation.id
        self.log = log ?? SessionLog(maxByteCount: limits.maxLogBytes)
        followLog()
        self.log.store(.created(record))
        if !items.isEmpty { self.log.store(.remembered(items, position: 0)) }
        append(.sessionCreated) { body in
            body.append(json: { $0.appendJSONObject { self.writeSummary(to: &$0) } })
        }
    }

    /// As it was kept. ``recover()`` goes on with what had not ended.
    /// - Parameter log: holds the newest events already.
    /// - Throws: ``JSON/JSONRecord/Malformed`` when what was said of an unfinished response cannot be read.
    public init(restoring stored: StoredSession, host: any SessionHost, log: SessionLog, limits: SessionLimits) throws {
        let record = stored.record
        id = record.id
        owner = record.owner
        self.host = host
        defaults = record.defaults
        self.limits = limits
        metadata = record.metadata
        settingsByteCount = record.defaults.byteCount + record.metadata.approximateByteCount
        defaultMode = record.mode
        defaultPolicy = record.policy
        createdAt = record.createdAt
        items = stored.items
        conversationByteCount = items.reduce(0) { $0 + $1.byteCount }
        forkedFrom = record.forkedFrom
        self.log = log
        newestOrdinal = stored.newestOrdinal
        followLog()
        // As while it runs: of more than may be found the oldest are forgotten.
        var surplus = stored.generations.count - limits.maxResponses
        for record in stored.generations {
            if surplus > 0, record.status.isTerminal {
                surplus -= 1
                continue
            }
            let header = stored.headers[record.ordinal] ?? ResponseHeader(record, sessionID: record.id)
            let generation = try Generation(
                restoring: record, header: header, session: self, events: stored.unfinishedEvents[record.ordinal] ?? [])
            generations.append(generation)
            settingsByteCount += generation.parameters.byteCount
            switch record.status {
            case .queued: queued.append(generation)
            case .inProgress: active = generation
            default: break
            }
            if record.status != .queued { latest = generation }
        }
    }

    deinit { active?.abandon() }

    // MARK: The log

    /// Appends an event of the session.
    /// - Parameter named: a response that the event names, and what was said of it.
    func append(_ kind: EventKind, naming named: ResponseHeader? = nil, _ write: (inout ByteBuffer) -> Void) {
        scratch.clear()
        write(&scratch)
        appended { log.append(kind, nil, responseSequence: -1, nil, naming: named, body: scratch.bytes) }
    }

    /// Appends an event of the session whose first part was encoded elsewhere, and is not copied twice.
    func append(
        _ kind: EventKind, json: UnsafeRawBufferPointer, naming named: ResponseHeader? = nil, _ write: (inout ByteBuffer) -> Void
    ) {
        scratch.clear()
        write(&scratch)
        let rest = scratch.bytes
        appended {
            log.append(
                kind, nil, responseSequence: -1, nil, naming: named,
                byteCount: Varint.byteCount(json.count) + json.count + rest.count
            ) { room in
                var room = room
                Varint.write(json.count, to: &room)
                if let start = json.baseAddress { room.copyMemory(from: start, byteCount: json.count) }
                if let start = rest.baseAddress { (room + json.count).copyMemory(from: start, byteCount: rest.count) }
            }
        }
    }

    /// Appends an event of a response.
    func append(_ kind: EventKind, of response: Generation, _ item: ResponseItem? = nil, _ write: (inout ByteBuffer) -> Void) {
        scratch.clear()
        write(&scratch)
        appended {
            log.append(kind, response.header, responseSequence: response.takeNumber(), item, body: scratch.bytes)
        }
    }

    /// Token path: appends a piece of an item's text, straight into the page that all readers share.
    @inline(__always)
    func append(
        delta kind: EventKind, of response: Generation, _ item: ResponseItem, offset: Int, _ text: UnsafeRawBufferPointer,
        _ form: SessionEvent.TextForm
    ) {
        appended {
            log.append(
                kind, response.header, responseSequence: response.takeNumber(), item,
                byteCount: 1 + Varint.byteCount(offset) + text.count
            ) { room in
                var room = room
                room.storeBytes(of: form.rawValue, as: UInt8.self)
                room += 1
                Varint.write(offset, to: &room)
                if let start = text.baseAddress { room.copyMemory(from: start, byteCount: text.count) }
            }
        }
    }

    @inline(__always)
    private func appended(_ append: () -> SessionEvent) {
        let before = log.byteCount
        let event = append()
        if log.byteCount != before { onAppend?(log.byteCount - before) }
        // Not committed yet: readers get it when it is.
        if log.committedPosition >= event.position { deliver(event) }
        if !isUpstreamHeld, active != nil { holdUpstreamIfAllLag() }
    }

    private func deliver(_ event: SessionEvent) {
        deliveryDepth += 1
        var event = event
        event.isShared = cursors.count > 1
        // By index: a reader that joins while others are served is at the end of the list, and has the event already.
        var index = 0
        while index < cursors.count {
            let cursor = cursors[index]
            // One that waits for a page or a snapshot gets it first, and this event behind it.
            let takes = !cursor.isPaused && !cursor.isFetching && cursor.position == event.position - 1 && cursor.isAttached
            if takes { advance(cursor, over: event) }
            index += 1
        }
        deliveryDepth -= 1
    }

    func followLog() {
        log.leastNeededPosition = { [weak self] in self?.leastNeededPosition ?? .max }
        log.onCommit = { [weak self] previous in
            guard let self else { return }
            self.deliver(upTo: self.log.committedPosition, toThoseAt: previous)
            if self.isUpstreamHeld { self.releaseUpstreamIfOneKeepsUp() }
        }
    }

    /// More of the log is committed: those who had everything until then get it now, event by event, so that what one encoding makes
    /// of an event serves all of them.
    private func deliver(upTo last: Int, toThoseAt previous: Int) {
        if cursors.isEmpty { return }
        var place = commitPlace.position == previous ? commitPlace : log.place(after: previous)
        deliveryDepth += 1
        while place.position < last, let event = log.next(&place) { deliver(event) }
        deliveryDepth -= 1
        commitPlace = place
    }

    func advance(_ cursor: Cursor, over event: SessionEvent) {
        if event.mergedFrom == nil {
            cursor.place.move(behind: event)
        } else {
            cursor.place = log.place(after: event.position)
        }
        cursor.byteOffset = event.endOffset
        if cursor.deliver(event) == .pause { cursor.isPaused = true }
    }

    // MARK: The end

    /// The host lets go of a session that nothing happens in; it can be made again from what its log has kept.
    public func unload() {
        isClosed = true
        endGrace()
        endRestartGraces()
        log.onCommit = nil
    }

    /// What is kept is not what is here: nothing more is told, and those who follow are let go. It can be made again from what is kept.
    public func abandon() {
        unload()
        active?.abandon()
        for cursor in cursors {
            cursor.session = nil
            cursor.sessionClosed()
        }
        cursors = []
    }

    /// The host stops, and has what is kept of the session when it starts again: what is to be made although nobody listens, or
    /// waits for a listener since the last start, is left where it is, and goes on then; what is for a listener ends now.
    public func suspend() {
        if isClosed || isSuspended { return }
        isSuspended = true
        for generation in queued + [active].compactMap({ $0 }) {
            if let conclusion = generation.conclusion, !generation.status.isTerminal {
                generation.endAtOnce(conclusion)
            } else if generation.policy == .continuing || generation.awaitsListener {
                generation.abandon()
            } else {
                _ = try? cancel(responseID: generation.id, by: nil, reason: .shutdown)
            }
        }
    }

    /// Whether a model answers here.
    public var isGenerating: Bool { !isSuspended && active.map { !$0.awaitsListener } ?? false }
    /// Inputs that wait for what runs.
    public var waitingCount: Int { isGenerating ? queued.count : 0 }

    /// Whether nothing runs and nothing waits here, and nothing will.
    public var isAtRest: Bool { isSuspended || active == nil && queued.isEmpty }

    /// Forgets everything: cancels what runs, tells those who follow.
    public func close() {
        if isClosed { return }
        dropQueued()
        if active != nil { _ = try? cancel(by: nil) }
        // What is forgotten need not be safe first.
        deliver(upTo: log.lastPosition, toThoseAt: log.committedPosition)
        isClosed = true
        endGrace()
        endRestartGraces()
        log.onCommit = nil
        for cursor in cursors {
            cursor.session = nil
            cursor.sessionClosed()
        }
        cursors = []
    }

    // MARK: Responses

    /// What the events of a response share; nil for one that was deleted or forgotten. O(log n) in the responses.
    public func header(_ ordinal: Int) -> ResponseHeader? {
        var low = 0
        var high = generations.count
        while low < high {
            let middle = (low + high) / 2
            if generations[middle].header.ordinal < ordinal { low = middle + 1 } else { high = middle }
        }
        guard low < generations.count, generations[low].header.ordinal == ordinal else { return nil }
        return generations[low].header
    }

    // MARK: Branches

    /// The conversation as it stood when a response had ended; nil while it runs.
    public func conversation(upTo generation: Generation) -> [Item]? {
        generation.conversationItemCount.map { Array(items.prefix($0)) }
    }
}

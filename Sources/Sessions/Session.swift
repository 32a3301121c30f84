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

    public internal(set) var log: any LogStorage
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
    /// How deep the list of cursors is being walked.
    var deliveryDepth = 0
    /// Bytes of all events so far, also of those that the log has dropped.
    var appendedByteCount = 0
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
        log: (any LogStorage)? = nil
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
        self.log = log ?? host.makeLog(maxBytes: limits.maxLogBytes)
        followLog()
        self.log.keep(.created(record))
        if !items.isEmpty { self.log.keep(.remembered(items, position: 0)) }
        append(.sessionCreated) { event in
            event.object("session") { self.writeSummary(to: &$0) }
        }
    }

    /// As it was kept. ``recover()`` goes on with what had not ended.
    /// - Parameter log: holds the newest events already.
    /// - Throws: ``JSON/JSONRecord/Malformed`` when what was said of an unfinished response cannot be read.
    public init(restoring stored: StoredSession, host: any SessionHost, log: any LogStorage, limits: SessionLimits) throws {
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
        appendedByteCount = stored.appendedByteCount
        followLog()
        // As while it runs: of more than may be found the oldest are forgotten.
        var surplus = stored.generations.count - limits.maxResponses
        for record in stored.generations {
            if surplus > 0, record.status.isTerminal {
                surplus -= 1
                continue
            }
            let generation = try Generation(
                restoring: record, reference: stored.references[record.id], session: self,
                events: stored.unfinishedEvents[record.id] ?? [])
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

    /// Appends a session event of ours.
    func append(_ type: EventType, of response: Generation? = nil, _ body: (inout JSONObjectWriter) -> Void) {
        scratch.clear()
        scratch.appendJSONObject { event in
            event.field("type", type.rawValue)
            body(&event)
        }
        store(type, scratch.array, response: response?.reference, responseSequence: -1, delta: 0..<0, outputIndex: 0)
    }

    /// Appends a session event of ours whose first members were encoded elsewhere.
    /// - Returns: false if they were used before.
    func append(_ type: EventType, _ encoded: EncodedItems, _ body: (inout JSONObjectWriter) -> Void) -> Bool {
        // Nobody else has it, so that it is not copied.
        guard var payload = encoded.take() else { return false }
        scratch.clear()
        scratch.appendJSONObject(body)
        // Without a member there is only the brace.
        if scratch.count > 2 { payload.append(UInt8(ascii: ",")) }
        payload.append(contentsOf: scratch.bytes.dropFirst())
        store(type, payload, response: nil, responseSequence: -1, delta: 0..<0, outputIndex: 0)
        return true
    }

    /// Appends the response event that stands in ``scratch``.
    func append(_ type: EventType, of response: Generation, delta: Range<Int>, outputIndex: Int) {
        append(type, scratch.array, of: response, delta: delta, outputIndex: outputIndex)
    }

    /// Appends a response event that was made apart.
    func append(_ type: EventType, _ payload: [UInt8], of response: Generation, delta: Range<Int>, outputIndex: Int) {
        let number = response.sequenceNumber
        response.sequenceNumber += 1
        if number == 0 { response.firstSequence = log.lastSequence + 1 }
        store(type, payload, response: response.reference, responseSequence: number, delta: delta, outputIndex: outputIndex)
    }

    private func store(
        _ type: EventType, _ payload: [UInt8], response: ResponseReference?, responseSequence: Int, delta: Range<Int>,
        outputIndex: Int
    ) {
        let event = LogEvent(
            sequence: log.lastSequence + 1, type: type, response: response, responseSequence: responseSequence,
            payload: payload, delta: delta, outputIndex: outputIndex,
            endOffset: appendedByteCount + LogEvent.byteCount(ofPayload: payload.count))
        appendedByteCount = event.endOffset
        let before = log.byteCount
        log.append(event)
        onAppend?(log.byteCount - before)
        // Not safe yet: readers get it when it is.
        if log.committedSequence >= event.sequence { deliver(event) }
        if !isUpstreamHeld, active != nil { holdUpstreamIfAllLag() }
    }

    private func deliver(_ event: LogEvent) {
        deliveryDepth += 1
        // By index: a reader that joins while others are served is at the end of the list, and has the event already.
        var index = 0
        while index < cursors.count {
            let cursor = cursors[index]
            // One that waits for a page or a snapshot gets it first, and this event behind it.
            let takes = !cursor.isPaused && !cursor.isFetching && cursor.position == event.sequence - 1 && cursor.isAttached
            if takes { advance(cursor, over: event) }
            index += 1
        }
        deliveryDepth -= 1
    }

    func followLog() {
        log.leastNeededPosition = { [weak self] in self?.leastNeededPosition ?? .max }
        log.onCommit = { [weak self] previous in
            guard let self else { return }
            self.deliver(upTo: self.log.committedSequence, toThoseAt: previous)
            if self.isUpstreamHeld { self.releaseUpstreamIfOneKeepsUp() }
        }
    }

    /// More of the log is safe: those who had everything until then get it now.
    private func deliver(upTo last: Int, toThoseAt previous: Int) {
        deliveryDepth += 1
        var index = 0
        while index < cursors.count {
            let cursor = cursors[index]
            index += 1
            guard cursor.position >= previous, !cursor.isFetching else { continue }
            while !cursor.isPaused, cursor.isAttached, cursor.position < last, log.holdsAll(after: cursor.position) {
                advance(cursor, over: log.event(after: cursor.position))
            }
        }
        deliveryDepth -= 1
    }

    func advance(_ cursor: Cursor, over event: LogEvent) {
        cursor.position = event.sequence
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
        deliver(upTo: log.lastSequence, toThoseAt: log.committedSequence)
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

    // MARK: Branches

    /// The conversation as it stood when a response had ended; nil while it runs.
    public func conversation(upTo generation: Generation) -> [Item]? {
        generation.conversationItemCount.map { Array(items.prefix($0)) }
    }
}

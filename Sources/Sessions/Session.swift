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
    private var guests: [String: Participant] = [:]
    public internal(set) var isClosed = false
    /// The host stops: what runs was left where it is, to go on when the session is made again. See ``suspend()``.
    public internal(set) var isSuspended = false
    /// Bytes that the session keeps: its log and its conversation.
    public var byteCount: Int { log.byteCount + conversationByteCount }
    /// Called when ``byteCount`` changes: for budgets that span sessions.
    public var onAppend: ((_ byteCountChange: Int) -> Void)?

    /// Bytes of ``scratch`` kept between responses.
    static let idleScratchByteCount = 4096
    /// Where events are encoded before they are stored.
    var scratch = ByteBuffer()
    private var cursors: [Cursor] = []
    private var deliveryDepth = 0
    /// Bytes of all events so far, also of those that the log has dropped.
    var appendedByteCount = 0
    /// Whether the upstream was asked to wait, since all who listen lag far behind.
    private(set) var isUpstreamHeld = false
    /// What begun last: the predecessor of the next.
    var latest: Generation?
    /// End the waiting for somebody who listens again.
    var graceCancellations: [() -> Void] = []

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
    public init(restoring stored: StoredSession, host: any SessionHost, log: any LogStorage, limits: SessionLimits) {
        let record = stored.record
        id = record.id
        owner = record.owner
        self.host = host
        defaults = record.defaults
        self.limits = limits
        metadata = record.metadata
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
            let generation = Generation(
                restoring: record, reference: stored.references[record.id], session: self,
                events: stored.unfinishedEvents[record.id] ?? [])
            generations.append(generation)
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
        store(type, response: response?.reference, responseSequence: -1, delta: 0..<0, outputIndex: 0)
    }

    /// Appends the response event that stands in ``scratch``.
    func append(_ type: EventType, of response: Generation, delta: Range<Int>, outputIndex: Int) {
        let number = response.sequenceNumber
        response.sequenceNumber += 1
        if number == 0 { response.firstSequence = log.lastSequence + 1 }
        store(type, response: response.reference, responseSequence: number, delta: delta, outputIndex: outputIndex)
    }

    private func store(
        _ type: EventType, response: ResponseReference?, responseSequence: Int, delta: Range<Int>, outputIndex: Int
    ) {
        let event = LogEvent(
            sequence: log.lastSequence + 1, type: type, response: response, responseSequence: responseSequence,
            payload: scratch.array, delta: delta, outputIndex: outputIndex,
            endOffset: appendedByteCount + LogEvent.byteCount(ofPayload: scratch.count))
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
            if !cursor.isPaused, cursor.position == event.sequence - 1, cursor.isAttached { advance(cursor, over: event) }
            index += 1
        }
        deliveryDepth -= 1
    }

    func followLog() {
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

    private func advance(_ cursor: Cursor, over event: LogEvent) {
        cursor.position = event.sequence
        cursor.byteOffset = event.endOffset
        if cursor.deliver(event) == .pause { cursor.isPaused = true }
    }

    // MARK: Cursors

    /// Whether somebody follows the session.
    public var isFollowed: Bool { cursors.contains { $0.listens && $0.isAttached } }
    public var cursorCount: Int { cursors.count }

    /// Starts to deliver what follows `sequence` to the cursor; what is there already at once, within this call.
    ///
    /// When the log does not hold it any more, or never did, the cursor gets the state in its place, and then what follows that.
    public func attach(_ cursor: Cursor, after sequence: Int) throws(SessionError) {
        if isClosed { throw .sessionClosed }
        guard cursors.count < limits.maxCursors else { throw .tooManyCursors(limit: limits.maxCursors) }
        cursor.session = self
        cursor.position = sequence
        cursor.byteOffset = byteOffset(of: sequence)
        cursor.isPaused = false
        cursor.isFetching = false
        // It may still be in the list, when it detached itself in this turn.
        if !cursors.contains(where: { $0 === cursor }) { cursors.append(cursor) }
        if cursor.listens { endGrace() }
        serve(cursor)
    }

    /// Goes on to deliver to a cursor that had paused.
    public func resume(_ cursor: Cursor) {
        guard cursor.session === self else { return }
        cursor.isPaused = false
        serve(cursor)
    }

    private func serve(_ cursor: Cursor) {
        catchUp(cursor)
        releaseUpstreamIfOneKeepsUp()
    }

    private func catchUp(_ cursor: Cursor) {
        while !cursor.isPaused, cursor.isAttached, !cursor.isFetching {
            if !log.holdsAll(after: cursor.position) {
                if log.canProvideAll(after: cursor.position) { fetch(for: cursor) } else { replacePlace(of: cursor) }
            } else if cursor.position < log.committedSequence {
                let merges = cursor.catchUp.mergesDeltas
                let event = merges ? log.mergedEvent(after: cursor.position) : log.event(after: cursor.position)
                if let first = event.mergedFrom { host.applied(.mergeDeltas, toEvents: event.sequence - first) }
                advance(cursor, over: event)
            } else {
                return
            }
        }
    }

    /// What the cursor wants next is kept, but not in memory.
    private func fetch(for cursor: Cursor) {
        cursor.isFetching = true
        let position = cursor.position
        log.fetch(after: position) { [weak self, weak cursor] events in
            guard let self, let cursor, cursor.session === self, cursor.isFetching, cursor.position == position else { return }
            cursor.isFetching = false
            if events.isEmpty { return self.replacePlaceAndServe(cursor) }
            let page = events.prefix { $0.sequence <= self.log.committedSequence }
            for event in cursor.catchUp.mergesDeltas ? DeltaRun.merged(page) : Array(page) {
                guard !cursor.isPaused, cursor.isAttached else { break }
                if let first = event.mergedFrom { self.host.applied(.mergeDeltas, toEvents: event.sequence - first) }
                self.advance(cursor, over: event)
            }
            self.serve(cursor)
        }
    }

    private func replacePlaceAndServe(_ cursor: Cursor) {
        replacePlace(of: cursor)
        serve(cursor)
    }

    /// Nobody holds what the cursor wants next.
    private func replacePlace(of cursor: Cursor) {
        // A place that the log never had is no loss of ours.
        let lost = max(0, min(log.oldestSequence, log.oldestStoredSequence) - 1 - max(0, cursor.position))
        switch cursor.catchUp.whenPlaceIsGone {
        case .snapshot:
            host.applied(.snapshot, toEvents: lost)
            let sequence = log.lastSequence
            cursor.position = sequence
            cursor.byteOffset = appendedByteCount
            let state = stateJSON()
            if log.committedSequence == sequence { return cursor.deliverSnapshot(state, sequence: sequence) }
            // What it tells of must be safe first; what is said meanwhile comes after it.
            cursor.isFetching = true
            log.whenCommitted { [weak self, weak cursor] in
                guard let self, let cursor, cursor.session === self, cursor.isFetching, cursor.position == sequence else { return }
                cursor.isFetching = false
                cursor.deliverSnapshot(state, sequence: sequence)
                self.serve(cursor)
            }
        case .close:
            host.applied(.losslessOrClose, toEvents: lost)
            detach(cursor)
            cursor.deliverPlaceGone()
        }
    }

    /// Bytes of the log up to the event with this number.
    private func byteOffset(of sequence: Int) -> Int {
        guard log.holdsAll(after: sequence), sequence < log.lastSequence else { return appendedByteCount }
        let next = log.event(after: sequence)
        return next.endOffset - next.byteCount
    }

    // MARK: Readers that lag

    /// Bytes by which the foremost of those who listen lags; 0 when nobody listens.
    private var lagByteCount: Int {
        let foremost = cursors.lazy.filter { $0.listens && $0.isAttached }.map(\.byteOffset).max()
        return foremost.map { appendedByteCount - $0 } ?? 0
    }

    /// An upstream that is faster than everybody who listens would drive events out of the log before one of them had read
    /// them: it waits. One reader that keeps up is enough for it to go on, so that a slow one delays nobody else.
    private func holdUpstreamIfAllLag() {
        let allLag = cursors.contains { $0.isPaused } && lagByteCount > limits.maxLogBytes / 2
        guard allLag || log.isCongested else { return }
        isUpstreamHeld = true
        active?.holdUpstream(true)
    }

    func releaseUpstreamIfOneKeepsUp() {
        guard isUpstreamHeld, lagByteCount <= limits.maxLogBytes / 4, !log.isCongested else { return }
        isUpstreamHeld = false
        active?.holdUpstream(false)
    }

    /// Ends the delivery. When nobody is left who listens, the running response's disconnect policy applies.
    public func detach(_ cursor: Cursor) {
        guard cursor.session === self else { return }
        cursor.session = nil
        guard deliveryDepth == 0 else {
            // From within its own delivery: the list is being walked, and an event is being made. Settle after this turn.
            _ = host.schedule(after: .zero) { [weak self] in self?.settle() }
            return
        }
        settle()
    }

    /// Tells the cursors that have got everything that the server stops.
    public func announceStop() {
        for cursor in cursors where cursor.session === self && !cursor.knowsOfStop && cursor.position >= log.lastSequence {
            cursor.knowsOfStop = true
            cursor.hostStopping()
        }
    }

    /// Tells those who listen and wait for events that cannot be kept that they wait for the storage.
    public func announceStall() {
        for cursor in cursors where cursor.session === self && cursor.listens && cursor.position < log.lastSequence {
            cursor.storageStalled()
        }
    }

    private func settle() {
        let listenerLeft = cursors.contains { $0.listens && !$0.isAttached }
        cursors.removeAll { !$0.isAttached }
        releaseUpstreamIfOneKeepsUp()
        if listenerLeft, !isFollowed { applyDisconnectPolicies() }
    }

    /// The host lets go of a session that nothing happens in; it can be made again from what its log has kept.
    public func unload() {
        isClosed = true
        endGrace()
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

    /// The host stops, and has what is kept of the session when it starts again: what is to be made although nobody listens is
    /// left where it is, and goes on then; what is for a listener ends now.
    public func suspend() {
        if isClosed || isSuspended { return }
        isSuspended = true
        for generation in queued + [active].compactMap({ $0 }) {
            if generation.policy == .continuing {
                generation.abandon()
            } else {
                _ = try? cancel(responseID: generation.id, by: nil, reason: .shutdown)
            }
        }
    }

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

    // MARK: Participants

    /// Lets somebody speak under a name.
    public func join(_ participant: Participant) throws(SessionError) {
        if isClosed { throw .sessionClosed }
        guard participants.count < limits.maxParticipants else { throw .tooManyParticipants(limit: limits.maxParticipants) }
        participants.append(participant)
        append(.participantJoined) { event in
            event.object("participant") { participant.write(to: &$0) }
        }
    }

    /// Somebody who speaks by plain HTTP, without a connection to join by: the same name is the same participant.
    public func guest(named name: String) -> Participant {
        if let known = participants.first(where: { $0.name == name }) ?? guests[name] { return known }
        let guest = Participant(name: name)
        if guests.count < limits.maxParticipants { guests[name] = guest }
        return guest
    }

    public func leave(_ participant: Participant) {
        guard !isClosed, let index = participants.firstIndex(of: participant) else { return }
        participants.remove(at: index)
        append(.participantLeft) { event in
            event.object("participant") { participant.write(to: &$0) }
        }
    }
}

extension Participant {
    func write(to writer: inout JSONObjectWriter) {
        writer.field("id", id)
        writer.field("name", name)
    }
}

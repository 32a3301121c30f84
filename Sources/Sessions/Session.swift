public import JSON

/// One conversation as its clients know it: coordinates the four parts that it consists of, and keeps no state of theirs.
///
/// - ``Conversation``: what was said.
/// - ``ResponseQueue``: what answers, and what waits to.
/// - ``Audience``: the readers.
/// - ``SessionLog``: what happened, in order.
///
/// Loop-confined: every method runs to its end within one iteration of the loop that the session lives on, and that is what makes an
/// interjection atomic. Nothing here knows a socket, a clock or a thread; see ``SessionHost``.
public final class Session {
    /// What the session is made of.
    public internal(set) var record: SessionRecord
    public unowned let host: any SessionHost
    public let limits: SessionLimits
    let conversation: Conversation
    let queue: ResponseQueue
    let audience: Audience
    let writer: LogWriter
    let memory: MemoryTally
    var roster = Roster()

    public convenience init(
        id: String = Identifier.make("sess_"), owner: String, host: any SessionHost, defaults: ResponseParameters,
        mode: InterjectionMode = .interrupt, policy: DisconnectPolicy = .continuing, metadata: JSONValue = [:],
        forking: (generation: Generation, items: [Item])? = nil, limits: SessionLimits = SessionLimits(),
        log: SessionLog? = nil
    ) {
        let record = SessionRecord(
            id: id, owner: owner, createdAt: host.unixTime, defaults: defaults, mode: mode, policy: policy, metadata: metadata,
            forkedFrom: forking?.generation.id)
        let items = forking?.items ?? []
        let log = log ?? SessionLog(maxByteCount: limits.maxLogBytes)
        self.init(record, items: items, host: host, log: log, limits: limits)
        log.store(.created(record))
        if !items.isEmpty { log.store(.remembered(items, position: 0)) }
        writer.append(.sessionCreated) { body in
            body.append(json: { $0.appendJSONObject { self.writeSummary(to: &$0) } })
        }
    }

    /// As it was stored. ``recover()`` goes on with what had not ended.
    /// - Parameter log: holds the newest events already.
    /// - Throws: ``JSON/JSONRecord/Malformed`` when what was said of an unfinished response cannot be read.
    public convenience init(restoring stored: StoredSession, host: any SessionHost, log: SessionLog, limits: SessionLimits) throws {
        self.init(stored.record, items: stored.items, host: host, log: log, limits: limits)
        try queue.restore(stored)
    }

    private init(_ record: SessionRecord, items: [Item], host: any SessionHost, log: SessionLog, limits: SessionLimits) {
        self.record = record
        self.host = host
        self.limits = limits
        memory = MemoryTally()
        memory.changed(by: log.byteCount)
        memory.changed(by: record.defaults.byteCount + record.metadata.approximateByteCount)
        audience = Audience(of: log, owner: record.owner, host: host, limits: limits, memory: memory)
        writer = LogWriter(log, audience: audience, memory: memory)
        conversation = Conversation(items, maxByteCount: limits.maxConversationBytes, log: log, memory: memory)
        let context = GenerationContext(
            sessionID: record.id, owner: record.owner, limits: limits, writer: writer, host: host)
        queue = ResponseQueue(context, conversation: conversation, memory: memory, forkedFrom: record.forkedFrom)
        audience.delegate = self
    }

    // MARK: The end

    /// The host lets go of a session that nothing happens in; it can be made again from what its log has stored.
    public func unload() {
        queue.close()
        audience.unfollow()
    }

    /// What is stored is not what is here: nothing more is told, and the readers are let go. It can be made again from what is stored.
    public func abandon() {
        queue.abandon()
        audience.dismiss()
    }

    /// The host stops, and has what is stored of the session when it starts again: what is to be made although nobody listens, or
    /// waits for a listener since the last start, is left where it is, and goes on then; what is for a listener ends now.
    public func suspend() { queue.suspend() }

    /// Forgets everything: cancels what runs, tells the readers.
    public func close() {
        if isClosed { return }
        queue.dropWaiting()
        queue.cancelBeside()
        if active != nil { _ = try? cancel(by: nil) }
        audience.deliverAll()
        queue.close()
        audience.dismiss()
    }
}

// MARK: What it is

extension Session {
    public var id: String { record.id }
    /// The principal that made it: only this one reads or writes it.
    public var owner: String { record.owner }
    /// Seconds since 1970.
    public var createdAt: Int { record.createdAt }
    public var metadata: JSONValue { record.metadata }
    /// Parameters of inputs that bring none of their own.
    public var defaults: ResponseParameters { record.defaults }
    public var defaultMode: InterjectionMode { record.mode }
    public var defaultPolicy: DisconnectPolicy { record.policy }
    /// The response that this conversation was branched off.
    public var forkedFrom: String? { record.forkedFrom }

    public var log: SessionLog { writer.log }
    /// The conversation, without the running response.
    public var items: [Item] { conversation.items }
    /// Bytes of ``items``.
    public var conversationByteCount: Int { conversation.byteCount }
    public var participants: [Participant] { roster.participants }

    /// Bytes that the session takes: its log and its conversation, and the settings of its responses.
    public var byteCount: Int { memory.byteCount }
    /// Called when ``byteCount`` changes: for budgets that span sessions.
    public var onAppend: ((_ byteCountChange: Int) -> Void)? {
        get { memory.onChange }
        set { memory.onChange = newValue }
    }

    public var isClosed: Bool { queue.lifecycle == .closed }
    /// Whether the host stops: what runs was left where it is, to go on when the session is made again. See ``suspend()``.
    public var isSuspended: Bool { queue.lifecycle == .suspended }
}

// MARK: Responses

extension Session {
    public var active: Generation? { queue.active }
    /// Those that wait for the active one.
    public var queued: [Generation] { queue.waiting }
    /// Every response of the session, oldest first.
    public var generations: [Generation] { queue.all }

    /// Whether a model answers here.
    public var isGenerating: Bool { queue.isGenerating }
    /// Inputs that wait for what runs.
    public var waitingCount: Int { isGenerating ? queue.waiting.count : 0 }
    /// Whether nothing runs and nothing waits here, and nothing will.
    public var isAtRest: Bool { queue.isAtRest }
    /// Whether nothing runs, nothing waits and nobody reads.
    public var isIdle: Bool { active == nil && queued.isEmpty && queue.beside.isEmpty && cursorCount == 0 }

    /// What the events of a response share; nil for one that was deleted or forgotten. O(log n) in the responses.
    public func header(_ ordinal: Int) -> ResponseHeader? { queue.header(ordinal) }

    /// The conversation as it stood when a response had ended; nil while it runs.
    public func conversation(upTo generation: Generation) -> [Item]? {
        generation.conversationItemCount.map { Array(items.prefix($0)) }
    }

    /// Has a listener told of the responses of this session alone, from now on.
    public func add(listener: any GenerationListener) { queue.listeners.append(listener) }

    public func remove(listener: any GenerationListener) { queue.listeners.removeAll { $0 === listener } }
}

public import JSON

/// One conversation as its clients know it: coordinates its four parts and stores none of their state.
///
/// - ``Conversation``: the items so far.
/// - ``ResponseQueue``: the responses, running and waiting.
/// - ``Audience``: the readers.
/// - ``SessionLog``: all events, in order.
///
/// Loop-confined: every method runs to completion within one iteration of the session's loop, which makes an interjection atomic.
/// Sockets, clocks and threads are unknown here; see ``SessionHost``.
public final class Session {
    /// The session's identity and parameters.
    public internal(set) var record: SessionRecord
    /// The loop's services.
    public unowned let host: any SessionHost
    /// The session's limits.
    public let limits: SessionLimits
    let conversation: Conversation
    let queue: ResponseQueue
    let audience: Audience
    let writer: LogWriter
    let memory: MemoryTally
    var roster = Roster()

    /// A new session.
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

    /// Restores a stored session. ``recover()`` resumes its unfinished responses.
    /// - Parameter log: already contains the newest events.
    /// - Throws: ``JSON/JSONRecord/Malformed`` if the output of an unfinished response cannot be read.
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

    // MARK: Ending

    /// Releases an idle session from memory; it can be restored from what its log has stored.
    public func unload() {
        queue.close()
        audience.unfollow()
    }

    /// Ends the session without further events and detaches the readers, since memory and store differ. It can be restored from the
    /// store.
    public func abandon() {
        queue.abandon()
        audience.dismiss()
    }

    /// The host is stopping, and can restore the session at the next start. Responses that continue without a listener, or have
    /// waited for one since the last start, are left unfinished and resume then; those for a listener end now.
    public func suspend() { queue.suspend() }

    /// Deletes the session: cancels its responses and notifies the readers.
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

// MARK: Properties

extension Session {
    /// The session's identifier.
    public var id: String { record.id }
    /// The principal that owns it; no other may read or write it.
    public var owner: String { record.owner }
    /// Seconds since 1970.
    public var createdAt: Int { record.createdAt }
    /// The client's metadata.
    public var metadata: JSONValue { record.metadata }
    /// Parameters of inputs without parameters of their own.
    public var defaults: ResponseParameters { record.defaults }
    /// The mode of inputs without one of their own.
    public var defaultMode: InterjectionMode { record.mode }
    /// The policy of inputs without one of their own.
    public var defaultPolicy: DisconnectPolicy { record.policy }
    /// The response at which this conversation was branched.
    public var forkedFrom: String? { record.forkedFrom }

    /// The session's log.
    public var log: SessionLog { writer.log }
    /// The conversation, without the running response.
    public var items: [Item] { conversation.items }
    /// Size of ``items`` in bytes.
    public var conversationByteCount: Int { conversation.byteCount }
    /// The participants who have joined.
    public var participants: [Participant] { roster.participants }

    /// Size in memory, in bytes: log, conversation and response parameters.
    public var byteCount: Int { memory.byteCount }
    /// Called when ``byteCount`` changes: for budgets that span sessions.
    public var onAppend: ((_ byteCountChange: Int) -> Void)? {
        get { memory.onChange }
        set { memory.onChange = newValue }
    }

    /// Whether the session was deleted or has left memory.
    public var isClosed: Bool { queue.lifecycle == .closed }
    /// Whether the host is stopping: unfinished responses resume when the session is restored. See ``suspend()``.
    public var isSuspended: Bool { queue.lifecycle == .suspended }
}

// MARK: Responses

extension Session {
    /// The running response.
    public var active: Generation? { queue.active }
    /// Responses that wait for the active one.
    public var queued: [Generation] { queue.waiting }
    /// Every response that can be looked up, oldest first.
    public var generations: [Generation] { queue.all }

    /// Whether a model is generating output for this session.
    public var isGenerating: Bool { queue.isGenerating }
    /// Number of inputs that wait for the running response.
    public var waitingCount: Int { isGenerating ? queue.waiting.count : 0 }
    /// Whether no response runs or waits, and none will begin.
    public var isAtRest: Bool { queue.isAtRest }
    /// Whether no response runs or waits and no cursor is attached.
    public var isIdle: Bool { active == nil && queued.isEmpty && queue.beside.isEmpty && cursorCount == 0 }

    /// The header of a response; nil if it was deleted or forgotten. O(log n) in the responses.
    public func header(_ ordinal: Int) -> ResponseHeader? { queue.header(ordinal) }

    /// The conversation as of the end of a response; nil while it runs.
    public func conversation(upTo generation: Generation) -> [Item]? {
        generation.conversationItemCount.map { Array(items.prefix($0)) }
    }

    /// Adds a listener for the responses of this session alone.
    public func add(listener: any GenerationListener) { queue.listeners.append(listener) }

    /// Removes a listener.
    public func remove(listener: any GenerationListener) { queue.listeners.removeAll { $0 === listener } }
}

/// The responses of a session: the active one, those waiting for it, those beside it, and all that can be looked up. Starts and
/// stops them, and adds their output to the conversation. Loop-confined.
///
/// Links the session and its generations in both directions: a generation knows the context that the queue gave it, and notifies
/// the queue of its end.
final class ResponseQueue {
    enum Lifecycle {
        case open
        /// The host is stopping: the active response was left unfinished, to resume when the session is restored.
        case suspended
        /// No response may begin.
        case closed
    }

    let context: GenerationContext
    let conversation: Conversation
    let memory: MemoryTally
    /// The response at which the conversation was branched.
    private let forkedFrom: String?
    private(set) var lifecycle = Lifecycle.open
    private(set) var active: Generation? { didSet { context.writer.audience.upstreamChanged(isFlowing: active != nil) } }
    private(set) var waiting: [Generation] = []
    /// Responses with a log of their own.
    var beside: [OutOfBandResponse] = []
    /// Every response that can be looked up, oldest first.
    private(set) var all: [Generation] = []
    var listeners: [any GenerationListener] = []
    /// Ordinal of the newest response ever made.
    private var newestOrdinal = 0
    /// The response that began last: the predecessor of the next.
    private var latest: Generation?
    /// Cancel the grace periods of responses without a listener.
    var graceCancellations: [() -> Void] = []
    /// Cancel the grace periods after a restart: see ``recover()``.
    var restartGraces: [() -> Void] = []

    init(
        _ context: GenerationContext, conversation: Conversation, memory: MemoryTally, forkedFrom: String?
    ) {
        self.context = context
        self.conversation = conversation
        self.memory = memory
        self.forkedFrom = forkedFrom
        context.queue = self
    }

    deinit {
        active?.abandon()
        for response in beside { response.generation.abandon() }
    }

    /// Restores the responses of a stored session.
    /// - Throws: ``JSON/JSONRecord/Malformed`` if the output of an unfinished response cannot be read.
    func restore(_ stored: StoredSession) throws {
        newestOrdinal = stored.newestOrdinal
        // Forgets the oldest beyond the limit, as while running.
        var surplus = stored.generations.count - context.limits.maxResponses
        for record in stored.generations {
            if surplus > 0, record.status.isTerminal {
                surplus -= 1
                continue
            }
            let header = stored.headers[record.ordinal] ?? ResponseHeader(record, sessionID: context.sessionID)
            let generation = try Generation(
                restoring: record, header: header, in: context, events: stored.unfinishedEvents[record.ordinal] ?? [])
            all.append(generation)
            memory.changed(by: generation.parameters.byteCount)
            switch record.status {
            case .queued: waiting.append(generation)
            case .inProgress: active = generation
            default: break
            }
            if record.status != .queued { latest = generation }
        }
    }

    // MARK: Lookup

    /// Unfinished responses; waiting ones first, so that none of them begins when the active one ends.
    var unfinished: [Generation] { waiting + [active].compactMap { $0 } }
    /// Whether a model is generating output for this session.
    var isGenerating: Bool { lifecycle != .suspended && (active.map { !$0.awaitsListener } ?? false || !beside.isEmpty) }
    /// Whether no response runs or waits, and none will begin.
    var isAtRest: Bool { lifecycle == .suspended || active == nil && waiting.isEmpty && beside.isEmpty }
    /// Size of the waiting inputs, in bytes.
    var waitingByteCount: Int { waiting.reduce(0) { $0 + $1.input.reduce(0) { $0 + $1.byteCount } } }

    func response(_ id: String) -> Generation? { all.last { $0.id == id } }

    /// The header of a response; nil if it was deleted or forgotten. O(log n) in the responses.
    func header(_ ordinal: Int) -> ResponseHeader? {
        var low = 0
        var high = all.count
        while low < high {
            let middle = (low + high) / 2
            if all[middle].header.ordinal < ordinal { low = middle + 1 } else { high = middle }
        }
        guard low < all.count, all[low].header.ordinal == ordinal else { return nil }
        return all[low].header
    }

    // MARK: Beginning

    /// Makes a response that neither runs nor waits yet.
    func make(_ input: Input, continues: Bool) -> Generation {
        newestOrdinal += 1
        let generation = Generation(
            ResponseHeader(input, ordinal: newestOrdinal, sessionID: context.sessionID, createdAt: context.host.unixTime),
            GenerationRequest(input, continuesLastMessage: continues), in: context)
        all.append(generation)
        memory.changed(by: generation.parameters.byteCount)
        if all.count > context.limits.maxResponses, let index = all.firstIndex(where: \.status.isTerminal) {
            let forgotten = all.remove(at: index)
            memory.changed(by: -forgotten.parameters.byteCount)
            context.host.forgot(responseID: forgotten.id)
        }
        return generation
    }

    func start(_ generation: Generation) {
        conversation.append(generation.input)
        if generation.previousResponseID == nil { generation.header.previousResponseID = latest?.id ?? forkedFrom }
        latest = generation
        active = generation
        generation.start(reading: conversation.items)
        if !generation.status.isTerminal { generation.store() }
        context.writer.audience.releaseUpstreamIfOneKeepsUp()
        if generation.request.isWarmUp { generationEnded(generation) }
    }

    func wait(_ generation: Generation) {
        waiting.append(generation)
        generation.store()
    }

    func startNext() {
        // A generation may end within its start; its end comes here again.
        guard active == nil, lifecycle == .open else { return }
        cancelWaitingResultsWithoutCall()
        if !waiting.isEmpty { start(waiting.removeFirst()) }
    }

    /// Asks the model to continue a response that the end of the process interrupted.
    func goOn(_ running: Generation) {
        running.goOn(reading: conversation.items)
        if !running.status.isTerminal { running.store() }
    }

    // MARK: Ending

    /// A response has finished or failed: starts the next.
    func generationEnded(_ generation: Generation) {
        if active === generation {
            retire(generation)
        } else {
            beside.removeAll { $0.generation === generation }
        }
        startNext()
    }

    /// Adds the active response's output to the conversation.
    func retire(_ generation: Generation) {
        guard active === generation else { return }
        conversation.append(generation.output)
        leave(generation)
        // The buffer has just grown to the size of the whole output.
        context.writer.shrink()
    }

    /// Ends the active response without adding its output to the conversation.
    func drop(_ generation: Generation) { if active === generation { leave(generation) } }

    private func leave(_ generation: Generation) {
        generation.progress.conversationItemCount = conversation.items.count
        generation.store()
        active = nil
    }

    /// Cancels a waiting response, which never begins.
    /// - Returns: false if it is not waiting.
    @discardableResult
    func discard(_ generation: Generation, isWithdrawn: Bool = false) -> Bool {
        guard let index = waiting.firstIndex(where: { $0 === generation }) else { return false }
        waiting.remove(at: index)
        generation.cancelQueued(isWithdrawn: isWithdrawn)
        generation.progress.conversationItemCount = conversation.items.count
        generation.store()
        return true
    }

    /// Forgets an ended response: it can no longer be looked up.
    func forget(_ generation: Generation) {
        all.removeAll { $0 === generation }
        memory.changed(by: -generation.parameters.byteCount)
        // The next response must not name a predecessor that cannot be looked up.
        if latest === generation { latest = all.last { $0.status != .queued } }
        context.writer.log.store(.responseDeleted(generation.id))
    }

    /// Adjusts the branch points of responses after an insertion into the conversation or a deletion from it.
    /// - Parameters:
    ///   - index: index of the first affected item.
    ///   - change: by how much the following items have moved.
    func itemsMoved(at index: Int, by change: Int) {
        for generation in all {
            guard let count = generation.conversationItemCount, count > index else { continue }
            generation.progress.conversationItemCount = count + change
            generation.store()
        }
    }

    // MARK: The end of the session

    /// The host is stopping, and can restore the session at the next start. Responses that continue without a listener, or have
    /// waited for one since the last start, are left unfinished and resume then; those for a listener end now.
    func suspend() {
        guard lifecycle == .open else { return }
        lifecycle = .suspended
        for generation in unfinished {
            if let conclusion = generation.phase.conclusion {
                generation.endAtOnce(conclusion)
            } else if generation.policy == .continuing || generation.awaitsListener {
                generation.abandon()
            } else {
                cancelQuietly(generation, .shutdown)
            }
        }
        cancelBeside()
    }

    /// Prevents any further response.
    func close() {
        lifecycle = .closed
        endGraces()
        endRestartGraces()
    }

    /// Leaves running responses unfinished, without any event.
    func abandon() {
        close()
        active?.abandon()
        for response in beside { response.generation.abandon() }
        beside = []
    }
}

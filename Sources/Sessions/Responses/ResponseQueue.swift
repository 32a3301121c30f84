/// The responses of a session: the one that is active, those that wait for it, those beside it, and all that can still be found.
/// Starts them, stops them and takes what they said into the conversation. Loop-confined.
///
/// It holds both directions between a session and its generations: a generation knows the context that the queue gave it, and returns
/// to the queue when it ends.
final class ResponseQueue {
    enum Lifecycle {
        case open
        /// The host stops: what runs was left where it is, to go on when the session is made again.
        case suspended
        /// Nothing begins any more.
        case closed
    }

    let context: GenerationContext
    let conversation: Conversation
    let memory: MemoryTally
    /// The response that the conversation was branched off.
    private let forkedFrom: String?
    private(set) var lifecycle = Lifecycle.open
    private(set) var active: Generation? { didSet { context.writer.audience.upstreamChanged(isFlowing: active != nil) } }
    private(set) var waiting: [Generation] = []
    /// Those with a log of their own.
    var beside: [OutOfBandResponse] = []
    /// Every response of the session that can be found, oldest first.
    private(set) var all: [Generation] = []
    var listeners: [any GenerationListener] = []
    /// Of the responses that were made so far, the ordinal of the newest.
    private var newestOrdinal = 0
    /// What begun last: the predecessor of the next.
    private var latest: Generation?
    /// End the waiting for somebody who listens again.
    var graceCancellations: [() -> Void] = []
    /// The same for what the end of the process has cut: see ``recover()``.
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

    /// Takes back the responses of a session as it was stored.
    /// - Throws: ``JSON/JSONRecord/Malformed`` when what was said of an unfinished response cannot be read.
    func restore(_ stored: StoredSession) throws {
        newestOrdinal = stored.newestOrdinal
        // As while it runs: of more than may be found the oldest are forgotten.
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

    // MARK: What there is

    /// Those that have not ended; those that wait first, so that none of them begins when the active one ends.
    var unfinished: [Generation] { waiting + [active].compactMap { $0 } }
    /// Whether a model answers here.
    var isGenerating: Bool { lifecycle != .suspended && (active.map { !$0.awaitsListener } ?? false || !beside.isEmpty) }
    /// Whether nothing runs and nothing waits here, and nothing will.
    var isAtRest: Bool { lifecycle == .suspended || active == nil && waiting.isEmpty && beside.isEmpty }
    /// Bytes of the inputs that wait.
    var waitingByteCount: Int { waiting.reduce(0) { $0 + $1.input.reduce(0) { $0 + $1.byteCount } } }

    func response(_ id: String) -> Generation? { all.last { $0.id == id } }

    /// What the events of a response share; nil for one that was deleted or forgotten. O(log n) in the responses.
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

    /// Makes a response, which waits for nothing yet.
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

    /// The model is asked to go on with what the end of the process has cut.
    func goOn(_ running: Generation) {
        running.goOn(reading: conversation.items)
        if !running.status.isTerminal { running.store() }
    }

    // MARK: Ending

    /// A response came to its end, or failed: the next begins.
    func generationEnded(_ generation: Generation) {
        if active === generation {
            retire(generation)
        } else {
            beside.removeAll { $0.generation === generation }
        }
        startNext()
    }

    /// Takes what the active response said into the conversation.
    func retire(_ generation: Generation) {
        guard active === generation else { return }
        conversation.append(generation.output)
        leave(generation)
        // Its last event carried all that was said.
        context.writer.shrink()
    }

    /// The active response ends, and what it said is not remembered.
    func drop(_ generation: Generation) { if active === generation { leave(generation) } }

    private func leave(_ generation: Generation) {
        generation.progress.conversationItemCount = conversation.items.count
        generation.store()
        active = nil
    }

    /// Ends a response that waits: it never begins.
    /// - Returns: false if it does not wait.
    @discardableResult
    func discard(_ generation: Generation, isWithdrawn: Bool = false) -> Bool {
        guard let index = waiting.firstIndex(where: { $0 === generation }) else { return false }
        waiting.remove(at: index)
        generation.cancelQueued(isWithdrawn: isWithdrawn)
        generation.progress.conversationItemCount = conversation.items.count
        generation.store()
        return true
    }

    /// Forgets a response that has ended: it is found no more.
    func forget(_ generation: Generation) {
        all.removeAll { $0 === generation }
        memory.changed(by: -generation.parameters.byteCount)
        // What comes next names no predecessor that cannot be found.
        if latest === generation { latest = all.last { $0.status != .queued } }
        context.writer.log.store(.responseDeleted(generation.id))
    }

    /// Items were put into the conversation before others, or one was taken out: branches begin where they did.
    /// - Parameters:
    ///   - index: of the first of them.
    ///   - change: by how much what stood behind has moved.
    func itemsMoved(at index: Int, by change: Int) {
        for generation in all {
            guard let count = generation.conversationItemCount, count > index else { continue }
            generation.progress.conversationItemCount = count + change
            generation.store()
        }
    }

    // MARK: The end of the session

    /// The host stops, and has what is stored of the session when it starts again: what is to be made although nobody listens, or waits
    /// for a listener since the last start, is left where it is, and goes on then; what is for a listener ends now.
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

    /// Nothing begins any more.
    func close() {
        lifecycle = .closed
        endGraces()
        endRestartGraces()
    }

    /// What runs is left as it is, and nothing is said of it.
    func abandon() {
        close()
        active?.abandon()
        for response in beside { response.generation.abandon() }
        beside = []
    }
}

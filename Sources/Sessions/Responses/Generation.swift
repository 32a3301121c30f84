import Bytes
import JSON

/// One response in progress (*response* on the wire): an object of the session that writes into its log.
///
/// No connection owns it, and it does not know its session: its ``ResponseQueue`` starts and stops it, a model writes into it
/// through a ``GenerationSink``, and it writes into the log of its context. It may outlive its model's call. After its end, further
/// output of the upstream is ignored. Loop-confined.
public final class Generation {
    /// The status of a response.
    public enum Status: Sendable, Hashable {
        case queued, inProgress, completed, cancelled
        case incomplete(IncompleteReason)
        case failed(GenerationError)

        /// The name on the wire.
        public var name: String {
            switch self {
            case .queued: "queued"
            case .inProgress: "in_progress"
            case .completed: "completed"
            case .cancelled: "cancelled"
            case .incomplete: "incomplete"
            case .failed: "failed"
            }
        }

        /// Whether the response has ended.
        public var isTerminal: Bool {
            switch self {
            case .queued, .inProgress: false
            case .completed, .cancelled, .incomplete, .failed: true
            }
        }
    }

    /// `incomplete_details.reason`.
    public enum IncompleteReason: String, Sendable {
        case maxOutputTokens = "max_output_tokens"
        case contentFilter = "content_filter"
        case steered, interrupted
        /// The server was restarted during the response, which no client was to receive.
        case serverRestarted = "server_restarted"
        /// The response is complete, but not in the required format.
        case invalidStructuredOutput = "invalid_structured_output"
    }

    /// Shared by all of its events.
    public let header: ResponseHeader
    /// The input and the conditions of the response.
    public let request: GenerationRequest
    let context: GenerationContext
    var phase: GenerationPhase
    /// The current output; empty after the end.
    var draft = OutputDraft()
    /// The complete output; empty before the end.
    public private(set) var output: [Item] = []
    var tally = UsageTally()
    var progress = GenerationProgress()
    /// Whether the text has the required format; nil if none is required, or it was not validated.
    public internal(set) var verdict: OutputVerdict?
    /// The upstreams that were tried.
    public internal(set) var route = ResponseRoute()
    /// The steps of the agent behind the model, in the order of their beginnings.
    public internal(set) var steps: [Step] = []
    var steers = Steers()
    /// The running upstream request.
    private var call: (any ModelCall)?

    init(_ header: ResponseHeader, _ request: GenerationRequest, in context: GenerationContext) {
        self.header = header
        self.request = request
        self.context = context
        phase = .queued(.turn)
    }

    /// A stored response.
    /// - Parameter events: its events so far, if it has not ended.
    init(
        restoring record: GenerationRecord, header: ResponseHeader, in context: GenerationContext, events: [SessionEvent]
    ) throws {
        self.header = header
        self.context = context
        request = record.request
        phase = GenerationPhase(restoring: record)
        output = record.output
        tally = record.tally
        progress = record.progress
        verdict = record.verdict
        route = record.route
        steps = record.steps
        steers.pending = record.pendingSteers
        if !record.status.isTerminal { try replay(events) }
    }

    // MARK: For its queue

    func start(reading conversation: [Item]) {
        let awaitsListener = phase.awaitsListener
        phase = awaitsListener ? .unheard(isAccepted: false) : .asked
        emitBeginning(.responseCreated)
        context.begun(self)
        if request.isWarmUp {
            accept()
            end(.completed)
            return
        }
        if awaitsListener { return }
        ask(conversation, continuesLastMessage: request.continuesLastMessage)
    }

    func ask(_ conversation: [Item], continuesLastMessage: Bool) {
        tally.promptByteCount = conversation.reduce(0) { $0 + $1.textByteCount }
        var prompt = ModelRequest(parameters: requestParameters, items: conversation, continuesLastMessage: continuesLastMessage)
        if let first = request.input.first?.id { prompt.inputStart = conversation.lastIndex { $0.id == first } ?? .max }
        let call = context.host.model.start(prompt, for: GenerationSink(self))
        // The model may have failed or finished at once.
        guard phase.isActive else { return }
        // Nil unless there is a bug; but no call may ever run on without a way to cancel it.
        self.call?.cancel()
        self.call = call
        // Readers that lagged behind the previous response may still lag.
        if context.writer.audience.upstream == .held { call.pause() }
    }

    /// Stops the response now: closes the upstream first, then the open items as incomplete with what was delivered.
    /// - Parameters:
    ///   - interrupterName: name of the interrupting participant.
    ///   - isWithdrawn: see ``isWithdrawn``.
    func stop(_ status: Status, by interrupterName: String? = nil, isWithdrawn: Bool = false) {
        phase = .stopping
        cancelCall()
        end(status, by: interrupterName, isWithdrawn: isWithdrawn)
    }

    /// Pauses or resumes the upstream.
    func holdUpstream(_ isHeld: Bool) {
        if isHeld { call?.pause() } else { call?.resume() }
    }

    /// Closes the upstream without any event: the session is gone, or the response resumes at the next start.
    func abandon() {
        guard phase.isUnderWay else { return }
        phase = .abandoned
        cancelCall()
    }

    private func cancelCall() {
        call?.cancel()
        call = nil
    }

    /// The model has finished.
    func callEnded() { call = nil }

    /// Cancels a queued response, which never begins.
    func cancelQueued(isWithdrawn: Bool = false) {
        emitBeginning(.responseCreated)
        end(.cancelled, isWithdrawn: isWithdrawn)
    }

    /// The upstream has accepted the request and will respond: `response.in_progress`.
    func accept() {
        switch phase {
        case .asked: phase = .answering
        case .unheard(isAccepted: false): phase = .unheard(isAccepted: true)
        default: return
        }
        emitBeginning(.responseInProgress)
    }

    /// A listener is there: an interrupted response continues as if it had just been requested.
    func listenerCame() {
        switch phase {
        case .queued: phase = .queued(.turn)
        case .unheard(let isAccepted): phase = isAccepted ? .answering : .asked
        default: break
        }
    }

    /// Makes the response wait for a listener.
    func awaitListener() {
        switch phase {
        case .queued: phase = .queued(.listener)
        case .asked, .answering: phase = .unheard(isAccepted: phase.isAccepted)
        default: break
        }
    }

    // MARK: Items

    /// The open item if it is of this kind, otherwise a new one.
    @inline(__always)
    func item(_ kind: OutputItemKind) -> OutputItem {
        if let openItem = draft.openItem, openItem.kind == kind { return openItem }
        return open(kind)
    }

    func open(_ kind: OutputItemKind, callID: String = "", name: String = "", toolIndex: Int = -1) -> OutputItem {
        accept()
        // Tool calls may be written in parallel; text and reasoning end where the next item begins.
        if let openItem = draft.openItem, openItem.toolIndex < 0 { close(openItem, as: .completed) }
        let item = OutputItem(kind: kind, index: draft.items.count, callID: callID, name: name, toolIndex: toolIndex)
        if toolIndex >= 0 { item.provider = draft.awaitedToolData.removeValue(forKey: toolIndex) }
        draft.items.append(item)
        draft.openItem = item
        emitAdded(item)
        return item
    }

    /// Closes the open item; further output opens a new one.
    func closeOpenItem() {
        guard let openItem = draft.openItem else { return }
        close(openItem, as: .completed)
        draft.openItem = nil
    }

    private func close(_ item: OutputItem, as status: Item.Status) {
        beginClosing(item, as: status)
        emitDone(item)
    }

    func beginClosing(_ item: OutputItem, as status: Item.Status) {
        item.close(as: status, parameters)
    }

    /// Marks interrupted text, so that the model can be told.
    private func markInterruption(by name: String?) {
        guard let item = draft.items.last, item.isMessage, item.closedAs == nil, !item.contents.isEmpty else { return }
        item.interruption = OutputItem.Interruption(participantName: name)
    }

    func end(_ final: Status, by interrupterName: String? = nil, isWithdrawn: Bool = false) {
        if final == .cancelled || final == .incomplete(.interrupted) { markInterruption(by: interrupterName) }
        for item in draft.items {
            if item.closedAs == nil { beginClosing(item, as: final == .completed ? .completed : .incomplete) }
            emitDone(item)
        }
        draft.openItem = nil
        output = draft.items.map(\.item)
        if status == .inProgress { settleUsage() }
        if let verdict { emitVerdict(verdict) }
        progress.completedAt = context.host.unixTime
        phase = isWithdrawn ? .withdrawn : .ended(final)
        switch final {
        case .completed: emitEnd(.responseCompleted)
        case .incomplete: emitEnd(.responseIncomplete)
        case .cancelled: emitEnd(.responseCancelled)
        case .failed(let error):
            emitError(error)
            emitEnd(.responseFailed)
        case .queued, .inProgress: break
        }
        draft = OutputDraft()
        context.ended(self)
    }
}

// MARK: Properties

extension Generation {
    /// The response's identifier.
    public var id: String { header.id }
    /// The identifier of its session.
    public var sessionID: String { header.sessionID }
    /// The principal that owns its session.
    public var owner: String { context.owner }
    /// The log that it writes into.
    public var log: SessionLog { context.writer.log }
    /// Seconds since 1970.
    public var createdAt: Int { header.createdAt }
    /// Seconds since 1970; nil until the end.
    public var completedAt: Int? { progress.completedAt }
    /// The parameters of the response.
    public var parameters: ResponseParameters { header.parameters }
    /// The previous response in the conversation; determined when this one begins, since others may come in between while it waits.
    public var previousResponseID: String? { header.previousResponseID }
    /// What happens when its last listener disconnects.
    public var policy: DisconnectPolicy { request.policy }
    /// The input that it answers.
    public var input: [Item] { request.input }
    /// The key that its usage is attributed to; nil if unknown.
    public var keyID: String? { request.keyID }

    /// The status.
    public var status: Status { phase.status }
    /// Whether it still accepts output from the model.
    @inline(__always)
    public var isActive: Bool { phase.isActive }
    /// Whether the end of the process interrupted it and it resumes only if a listener returns within its grace period.
    public var awaitsListener: Bool { phase.awaitsListener }
    /// Whether it was cancelled because its input could not be committed: see ``Session/withdraw(responseID:)``.
    public var isWithdrawn: Bool { if case .withdrawn = phase { true } else { false } }

    /// Token counts, once known.
    public var usage: Usage? { tally.usage }
    /// Number of deltas received, as an estimate of its tokens.
    public var deltaCount: Int { tally.deltaCount }
    /// Number of items in the conversation when it ended, where a branch from this response begins.
    public var conversationItemCount: Int? { progress.conversationItemCount }
    /// Session sequence number of its first event.
    public var firstSequence: Int? { progress.firstSequence }
    /// Number of events so far: one more than the last `sequence_number`.
    public var eventCount: Int { progress.eventCount }
    /// Steers that wait for the outputs of its tool calls; see ``Session/keep(_:for:)``.
    public var pendingSteers: [PendingSteer] { steers.pending }
}

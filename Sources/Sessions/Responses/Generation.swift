import Bytes
import JSON

/// One response in the making (OpenAI's word on the wire: *response*): an object of the session that writes into its log.
///
/// No connection owns it, and it knows no session: its ``ResponseQueue`` starts and stops it, a model writes into it through a
/// ``GenerationSink``, and it writes into the log that its context names. It may outlive its model's call. Once it has ended, whatever
/// an upstream may still say is ignored. Loop-confined.
public final class Generation {
    public enum Status: Sendable, Hashable {
        case queued, inProgress, completed, cancelled
        case incomplete(IncompleteReason)
        case failed(GenerationError)

        /// The word on the wire.
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
        /// The server was started again in the middle of the answer, and nobody was to hear the rest.
        case serverRestarted = "server_restarted"
        /// The answer came to its end, and is not in the format that was asked for.
        case invalidStructuredOutput = "invalid_structured_output"
    }

    /// What all of its events share.
    public let header: ResponseHeader
    public let request: GenerationRequest
    let context: GenerationContext
    var phase: GenerationPhase
    /// What is being said; empty once it has ended.
    var draft = OutputDraft()
    /// What was said, whole; empty until the end.
    public private(set) var output: [Item] = []
    var tally = UsageTally()
    var progress = GenerationProgress()
    /// Whether the answer met its format; nil if none was asked for, or it was not judged.
    public internal(set) var verdict: OutputVerdict?
    /// Which upstreams were asked.
    public internal(set) var route = ResponseRoute()
    /// What the agent behind the model does and did, in the order in which it began.
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

    /// As it was stored.
    /// - Parameter events: its events so far, if it had not ended.
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
        // A model may fail at once, or have said all.
        guard phase.isActive else { return }
        // There is none; but one that nobody could cancel must never be left.
        self.call?.cancel()
        self.call = call
        // Those who lagged behind the response before this one may lag still.
        if context.writer.audience.upstream == .held { call.pause() }
    }

    /// Stops it now: the upstream is closed first, then the open items are closed as incomplete with what was delivered.
    /// - Parameters:
    ///   - interrupterName: the name of the participant who cuts it.
    ///   - isWithdrawn: see ``isWithdrawn``.
    func stop(_ status: Status, by interrupterName: String? = nil, isWithdrawn: Bool = false) {
        phase = .stopping
        cancelCall()
        end(status, by: interrupterName, isWithdrawn: isWithdrawn)
    }

    /// Has the upstream wait, or go on.
    func holdUpstream(_ isHeld: Bool) {
        if isHeld { call?.pause() } else { call?.resume() }
    }

    /// Nobody is left to tell, or it is to go on at the next start: the upstream is closed, and nothing is said of it.
    func abandon() {
        guard phase.isUnderWay else { return }
        phase = .abandoned
        cancelCall()
    }

    private func cancelCall() {
        call?.cancel()
        call = nil
    }

    /// The model is done.
    func callEnded() { call = nil }

    /// A queued generation that never began.
    func cancelQueued(isWithdrawn: Bool = false) {
        emitBeginning(.responseCreated)
        end(.cancelled, isWithdrawn: isWithdrawn)
    }

    /// The upstream has taken the request and will answer: `response.in_progress`.
    func accept() {
        switch phase {
        case .asked: phase = .answering
        case .unheard(isAccepted: false): phase = .unheard(isAccepted: true)
        default: return
        }
        emitBeginning(.responseInProgress)
    }

    /// It need wait for no listener: what was cut in the middle goes on as if it had just been asked.
    func listenerCame() {
        switch phase {
        case .queued: phase = .queued(.turn)
        case .unheard(let isAccepted): phase = isAccepted ? .answering : .asked
        default: break
        }
    }

    /// From now on it waits for a listener.
    func awaitListener() {
        switch phase {
        case .queued: phase = .queued(.listener)
        case .asked, .answering: phase = .unheard(isAccepted: phase.isAccepted)
        default: break
        }
    }

    // MARK: Items

    /// The open item, if it is of this kind, or a new one.
    @inline(__always)
    func item(_ kind: OutputItemKind) -> OutputItem {
        if let openItem = draft.openItem, openItem.kind == kind { return openItem }
        return open(kind)
    }

    func open(_ kind: OutputItemKind, callID: String = "", name: String = "", toolIndex: Int = -1) -> OutputItem {
        accept()
        // Calls of tools may be written side by side; text and reasoning end where the next item begins.
        if let openItem = draft.openItem, openItem.toolIndex < 0 { close(openItem, as: .completed) }
        let item = OutputItem(kind: kind, index: draft.items.count, callID: callID, name: name, toolIndex: toolIndex)
        if toolIndex >= 0 { item.provider = draft.awaitedToolData.removeValue(forKey: toolIndex) }
        draft.items.append(item)
        draft.openItem = item
        emitAdded(item)
        return item
    }

    /// Closes the open item; what is said next opens another one.
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

    /// Marks the text that somebody cut, for the model to be told of it.
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

// MARK: What it is

extension Generation {
    public var id: String { header.id }
    public var sessionID: String { header.sessionID }
    /// The principal whose session it is in.
    public var owner: String { context.owner }
    /// The log that it writes into.
    public var log: SessionLog { context.writer.log }
    public var createdAt: Int { header.createdAt }
    public var completedAt: Int? { progress.completedAt }
    public var parameters: ResponseParameters { header.parameters }
    /// The response before it in the conversation; settled when it begins, since others may cut in while it waits.
    public var previousResponseID: String? { header.previousResponseID }
    public var policy: DisconnectPolicy { request.policy }
    /// The input that it answers.
    public var input: [Item] { request.input }
    /// The key that its usage is counted for; nil where the server knows none.
    public var keyID: String? { request.keyID }

    public var status: Status { phase.status }
    /// Whether it still takes what the model says.
    @inline(__always)
    public var isActive: Bool { phase.isActive }
    /// Whether it was cut by the end of the process and goes on only if somebody listens before its grace is over.
    public var awaitsListener: Bool { phase.awaitsListener }
    /// Whether it was cancelled because what it answers could not be committed: see ``Session/withdraw(responseID:)``.
    public var isWithdrawn: Bool { if case .withdrawn = phase { true } else { false } }

    public var usage: Usage? { tally.usage }
    /// Deltas received: our count of tokens.
    public var deltaCount: Int { tally.deltaCount }
    /// Items in the conversation when it ended: where a fork from this response begins.
    public var conversationItemCount: Int? { progress.conversationItemCount }
    /// Session sequence number of its first event.
    public var firstSequence: Int? { progress.firstSequence }
    /// Events so far: one more than the last `sequence_number`.
    public var eventCount: Int { progress.eventCount }
    /// Steers that wait for the outputs of its tools; see ``Session/keep(_:for:)``.
    public var pendingSteers: [PendingSteer] { steers.pending }
}

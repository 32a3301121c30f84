import Bytes
import JSON

/// One response in the making (OpenAI's word on the wire: *response*): an object of the session that writes into its log.
///
/// No connection owns it. The upstream calls it with what the model says; the session stops it. Once it has ended, whatever
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
    public var id: String { header.id }
    public var createdAt: Int { header.createdAt }
    public private(set) var completedAt: Int?
    public var parameters: ResponseParameters { header.parameters }
    /// The response before it in the conversation; settled when it begins, since others may cut in while it waits.
    public internal(set) var previousResponseID: String? {
        get { header.previousResponseID }
        set { header.previousResponseID = newValue }
    }
    public var policy: DisconnectPolicy { header.policy }
    /// The input that it answers.
    public let input: [Item]
    public private(set) var status = Status.queued
    /// What was said, whole; empty until the end.
    public private(set) var output: [Item] = []
    public internal(set) var usage: Usage?
    /// What was used of it before the server was started again; part of ``usage`` at the end.
    var spent: Usage?
    /// The key that its usage is counted for; nil where the server knows none.
    public let keyID: String?
    /// Whether it was cut by the end of the process and goes on only if somebody listens before its grace is over.
    public internal(set) var awaitsListener = false
    /// Whether the answer met its format; nil if none was asked for, or it was not judged.
    public internal(set) var verdict: OutputVerdict?
    /// Deltas received: our count of tokens.
    public internal(set) var deltaCount = 0
    /// Unchecked, for it is read for every token: who calls has asked ``isActive`` before, and a session that goes ends that.
    public internal(set) unowned(unsafe) var session: Session
    /// Good also when the session is gone.
    var sessionID: String { header.sessionID }
    /// Items in the conversation when it ended: where a fork from this response begins.
    public internal(set) var conversationItemCount: Int?
    /// Session sequence number of its first event.
    public internal(set) var firstSequence: Int?
    /// The text goes on from the assistant message before it (mode `steer`).
    let continuesLastMessage: Bool
    var isWarmUp = false
    /// Whether who asked for it was told that it was not kept: see ``Session/withdraw(responseID:)``.
    public internal(set) var isWithdrawn = false
    /// Steers that wait for the outputs of its tools; see ``Session/keep(_:for:)``.
    public internal(set) var pendingSteers: [PendingSteer] = []
    /// Those that it took when it began.
    var takenSteers: TakenSteers?
    /// Which upstreams were asked.
    public internal(set) var route = ResponseRoute()
    /// What the agent behind the model does and did, in the order in which it began.
    public internal(set) var steps: [Step] = []

    /// Events so far: one more than the last `sequence_number`.
    public var eventCount: Int { sequenceNumber }

    var items: [OutputItem] = []
    var openItem: OutputItem?
    /// Of tool calls that come yet, by index.
    var awaitedToolData: [Int: ProviderData] = [:]
    var sequenceNumber = 0
    var call: (any ModelCall)?
    var isStopping = false
    /// Who cuts it, if that is somebody who has a name.
    var interrupterName: String?
    /// How its end is found or told; nil while the model may still say something.
    var conclusion: Conclusion?
    var isAccepted = false
    /// Bytes that the running attempt's upstream was sent to read.
    var promptByteCount = 0
    var outputByteCount = 0

    init(_ header: ResponseHeader, session: Session, input: [Item], continuesLastMessage: Bool, keyID: String? = nil) {
        self.header = header
        self.keyID = keyID
        self.session = session
        self.input = input
        self.continuesLastMessage = continuesLastMessage
    }

    /// As it was kept.
    /// - Parameter events: its events so far, if it had not ended.
    init(restoring record: GenerationRecord, header: ResponseHeader, session: Session, events: [SessionEvent]) throws {
        self.header = header
        self.session = session
        input = record.input
        continuesLastMessage = record.continuesLastMessage
        completedAt = record.completedAt
        status = record.status
        conclusion = record.conclusion
        output = record.output
        usage = record.usage
        spent = record.spent
        keyID = record.keyID
        promptByteCount = record.promptByteCount
        verdict = record.verdict
        deltaCount = record.deltaCount
        conversationItemCount = record.conversationItemCount
        firstSequence = record.firstSequence
        sequenceNumber = record.eventCount
        route = record.route
        steps = record.steps
        pendingSteers = record.pendingSteers
        if !record.status.isTerminal { try replay(events) }
    }

    // MARK: For the session

    func start(conversation: [Item]) {
        status = .inProgress
        emitBeginning(.responseCreated)
        if isWarmUp {
            accepted()
            end(.completed)
            return
        }
        if awaitsListener { return }
        ask(conversation, continuesLastMessage: continuesLastMessage)
    }

    func ask(_ conversation: [Item], continuesLastMessage: Bool) {
        promptByteCount = conversation.reduce(0) { $0 + $1.textByteCount }
        var request = ModelRequest(parameters: requestParameters, items: conversation, continuesLastMessage: continuesLastMessage)
        if let first = input.first?.id { request.inputStart = conversation.lastIndex { $0.id == first } ?? .max }
        let call = session.host.model.start(request, for: self)
        // A model may fail at once.
        guard status == .inProgress else { return }
        self.call = call
        // Those who lagged behind the response before this one may lag still.
        if session.isUpstreamHeld { call.pause() }
    }

    /// Stops it now: the upstream is closed first, then the open items are closed as incomplete with what was delivered.
    func stop(_ status: Status) {
        isStopping = true
        call?.cancel()
        call = nil
        end(status)
    }

    /// Has the upstream wait, or go on.
    func holdUpstream(_ isHeld: Bool) {
        if isHeld { call?.pause() } else { call?.resume() }
    }

    /// The session is gone: nobody is left to tell.
    func abandon() {
        isStopping = true
        call?.cancel()
        call = nil
    }

    /// A queued generation that never began.
    func cancelQueued() {
        emitBeginning(.responseCreated)
        end(.cancelled)
    }

    /// What was said of the answer so far: neither reasoning nor a tool's arguments.
    var partialText: String { items.last { $0.isMessage }?.text ?? "" }
    var partialItemID: String? { openItem?.id ?? items.last?.id }
    /// Whether it was cut in the middle of its answer's text.
    var endsInText: Bool { items.last.map { $0.isMessage } ?? false }

    // MARK: Items

    /// The open item, if it is of this kind, or a new one.
    func item(_ kind: OutputItemKind) -> OutputItem {
        if let openItem, openItem.kind == kind { return openItem }
        return open(kind)
    }

    func open(_ kind: OutputItemKind, callID: String = "", name: String = "", toolIndex: Int = -1) -> OutputItem {
        accepted()
        // Calls of tools may be written side by side; text and reasoning end where the next item begins.
        if let openItem, openItem.toolIndex < 0 { close(openItem, as: .completed) }
        let item = OutputItem(kind: kind, index: items.count, callID: callID, name: name, toolIndex: toolIndex)
        if toolIndex >= 0 { item.provider = awaitedToolData.removeValue(forKey: toolIndex) }
        items.append(item)
        openItem = item
        emitAdded(item)
        return item
    }

    func close(_ item: OutputItem, as status: Item.Status) {
        beginClosing(item, as: status)
        emitDone(item)
    }

    func beginClosing(_ item: OutputItem, as status: Item.Status) {
        item.close(as: status, parameters)
    }

    /// Marks the text that somebody cut, for the model to be told of it.
    private func markInterruption() {
        guard let item = items.last, item.isMessage, item.closedAs == nil, !item.contents.isEmpty else { return }
        item.interruption = OutputItem.Interruption(participantName: interrupterName)
    }

    func end(_ final: Status) {
        if final == .cancelled || final == .incomplete(.interrupted) { markInterruption() }
        for item in items {
            if item.closedAs == nil { beginClosing(item, as: final == .completed ? .completed : .incomplete) }
            emitDone(item)
        }
        openItem = nil
        output = items.map(\.item)
        if status == .inProgress { settleUsage() }
        if let verdict { emitVerdict(verdict) }
        completedAt = session.host.unixTime
        status = final
        conclusion = nil
        switch final {
        case .completed: emitEnd(.responseCompleted)
        case .incomplete: emitEnd(.responseIncomplete)
        case .cancelled: emitEnd(.responseCancelled)
        case .failed(let error):
            emitError(error)
            emitEnd(.responseFailed)
        case .queued, .inProgress: break
        }
        items = []
        session.host.ended(self)
    }
}

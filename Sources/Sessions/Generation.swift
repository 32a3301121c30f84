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

    public let reference: ResponseReference
    public var id: String { reference.id }
    public let createdAt: Int
    public private(set) var completedAt: Int?
    public let parameters: ResponseParameters
    /// The response before it in the conversation; settled when it begins, since others may cut in while it waits.
    public internal(set) var previousResponseID: String?
    public let policy: DisconnectPolicy
    /// The input that it answers.
    public let input: [Item]
    public private(set) var status = Status.queued
    /// What was said, whole; empty until the end.
    public private(set) var output: [Item] = []
    public private(set) var usage: Usage?
    /// Whether the answer met its format; nil if none was asked for, or it was not judged.
    public private(set) var verdict: OutputVerdict?
    /// Deltas received: our count of tokens.
    public private(set) var deltaCount = 0
    /// Unchecked, for it is read for every token: who calls has asked ``isActive`` before, and a session that goes ends that.
    public internal(set) unowned(unsafe) var session: Session
    /// Good also when the session is gone.
    let sessionID: String
    /// Items in the conversation when it ended: where a fork from this response begins.
    public internal(set) var conversationItemCount: Int?
    /// Session sequence number of its first event.
    public internal(set) var firstSequence: Int?
    /// The text goes on from the assistant message before it (mode `steer`).
    let continuesLastMessage: Bool
    var isWarmUp = false
    /// Whether who asked for it was told that it was not kept: see ``Session/withdraw(responseID:)``.
    public internal(set) var isWithdrawn = false
    /// Which upstreams were asked.
    public internal(set) var route = ResponseRoute()
    /// What the agent behind the model does and did, in the order in which it began.
    public internal(set) var steps: [Step] = []

    /// Events so far: one more than the last `sequence_number`.
    public var eventCount: Int { sequenceNumber }

    var items: [OutputItem] = []
    private var openItem: OutputItem?
    var sequenceNumber = 0
    private var call: (any ModelCall)?
    private var isStopping = false
    private var isAccepted = false
    private var promptByteCount = 0
    private var outputByteCount = 0

    init(
        id: String, session: Session, parameters: ResponseParameters, previousResponseID: String?, policy: DisconnectPolicy,
        input: [Item], continuesLastMessage: Bool, createdAt: Int
    ) {
        reference = ResponseReference(id, sessionID: session.id)
        self.session = session
        sessionID = session.id
        self.parameters = parameters
        self.previousResponseID = previousResponseID
        self.policy = policy
        self.input = input
        self.continuesLastMessage = continuesLastMessage
        self.createdAt = createdAt
    }

    /// As it was kept.
    /// - Parameter events: its events so far, if it had not ended.
    init(restoring record: GenerationRecord, reference: ResponseReference?, session: Session, events: [LogEvent]) {
        self.reference = reference ?? ResponseReference(record.id, sessionID: session.id)
        self.session = session
        sessionID = session.id
        parameters = record.parameters
        previousResponseID = record.previousResponseID
        policy = record.policy
        input = record.input
        continuesLastMessage = record.continuesLastMessage
        createdAt = record.createdAt
        completedAt = record.completedAt
        status = record.status
        output = record.output
        usage = record.usage
        verdict = record.verdict
        deltaCount = record.deltaCount
        conversationItemCount = record.conversationItemCount
        firstSequence = record.firstSequence
        sequenceNumber = record.eventCount
        route = record.route
        steps = record.steps
        self.reference.upstream = route.upstream
        if case .failed(let error) = record.status { self.reference.failure = error }
        if !record.status.isTerminal { replay(events) }
    }

    /// Takes up again what it had said when the process ended.
    private func replay(_ events: [LogEvent]) {
        for event in events {
            firstSequence = firstSequence ?? event.sequence
            sequenceNumber = event.responseSequence + 1
            switch event.type {
            case .responseInProgress: isAccepted = true
            case .step:
                let step = (try? JSONValue.parse(event.payload, limits: .own))?["step"].flatMap(Step.init)
                if let step { take(step) }
            case .outputItemAdded:
                if let item = OutputItem(restoringFrom: event) { items.append(item) }
            case .outputItemDone:
                items.first { $0.index == event.outputIndex }?.close(as: .completed)
            case _ where event.type.isDelta:
                deltaCount += 1
                outputByteCount += event.delta.count
                guard let item = items.first(where: { $0.index == event.outputIndex }) else { continue }
                if event.type == .refusalDelta { item.becomeRefusal() }
                event.payload.withUnsafeBytes { item.contents.append(UnsafeRawBufferPointer(rebasing: $0[event.delta])) }
            default: break
            }
        }
        openItem = items.last { $0.closedAs == nil }
    }

    /// Goes on after the server was started again: the model is asked to go on with what it had said.
    func goOn(conversation: [Item]) {
        if let openItem, !openItem.isMessage {
            if case .functionCall = openItem.kind {
                // Half of a tool's arguments can neither be taken back nor be continued.
                end(.incomplete(.serverRestarted))
                session.retire(self)
                return
            }
            close(openItem, as: .completed)
            self.openItem = nil
        }
        let said = items.map(\.item)
        ask(conversation + said, continuesLastMessage: continuesLastMessage && said.isEmpty || endsInText)
    }

    // MARK: For the session

    func start(conversation: [Item]) {
        status = .inProgress
        emitLifecycle(.responseCreated)
        if isWarmUp {
            accepted()
            end(.completed)
            return
        }
        ask(conversation, continuesLastMessage: continuesLastMessage)
    }

    private func ask(_ conversation: [Item], continuesLastMessage: Bool) {
        promptByteCount = conversation.reduce(0) { $0 + $1.text.utf8.count }
        let request = ModelRequest(parameters: parameters, items: conversation, continuesLastMessage: continuesLastMessage)
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
        emitLifecycle(.responseCreated)
        end(.cancelled)
    }

    /// What was said of the answer so far: neither reasoning nor a tool's arguments.
    var partialText: String { items.last { $0.isMessage }?.text ?? "" }
    var partialItemID: String? { openItem?.id ?? items.last?.id }
    /// Whether it was cut in the middle of its answer's text.
    var endsInText: Bool { items.last.map { $0.isMessage } ?? false }

    // MARK: For the upstream

    /// Whether it still takes what the model says.
    public var isActive: Bool { status == .inProgress && !isStopping }

    /// The upstream has taken the request and will answer: `response.in_progress`. Until then a refusal may still come.
    public func accepted() {
        guard isActive, !isAccepted else { return }
        isAccepted = true
        emitLifecycle(.responseInProgress)
    }

    /// A piece of the answer's text.
    /// - Parameter escaped: valid contents of a JSON string in UTF-8, without the quotes. Empty pieces are passed over.
    public func textDelta(escaped: UnsafeRawBufferPointer) {
        guard isActive, !escaped.isEmpty else { return }
        emit(.outputTextDelta, of: message(isRefusal: false), escaped)
    }

    /// A piece of a refusal; `escaped` as in ``textDelta(escaped:)``.
    public func refusalDelta(escaped: UnsafeRawBufferPointer) {
        guard isActive, !escaped.isEmpty else { return }
        emit(.refusalDelta, of: message(isRefusal: true), escaped)
    }

    /// A piece of the model's reasoning; `escaped` as in ``textDelta(escaped:)``.
    public func reasoningDelta(escaped: UnsafeRawBufferPointer) {
        guard isActive, !escaped.isEmpty else { return }
        let item: OutputItem
        if let openItem, case .reasoning = openItem.kind { item = openItem } else { item = open(.reasoning) }
        emit(.reasoningTextDelta, of: item, escaped)
    }

    /// A tool call begins.
    /// - Parameter index: the upstream's number of the call, which its pieces of arguments bear.
    public func toolCall(index: Int, callID: String, name: String) {
        guard isActive, index >= 0, !items.contains(where: { $0.toolIndex == index }) else { return }
        _ = open(.functionCall(callID: callID.isEmpty ? Identifier.make("call_") : callID, name: name), toolIndex: index)
    }

    /// A piece of a tool call's arguments; `escaped` as in ``textDelta(escaped:)``.
    public func toolCallArguments(index: Int, escaped: UnsafeRawBufferPointer) {
        guard isActive, index >= 0, !escaped.isEmpty, let item = items.last(where: { $0.toolIndex == index }) else { return }
        emit(.functionCallArgumentsDelta, of: item, escaped)
    }

    private func emit(_ type: EventType, of item: OutputItem, _ escaped: UnsafeRawBufferPointer) {
        deltaCount += 1
        outputByteCount += escaped.count
        emitDelta(type, of: item, escaped)
        stopIfTooLong()
    }

    /// Counts what is told beside the text.
    func countOutput(bytes: Int) {
        outputByteCount += bytes
        stopIfTooLong()
    }

    /// A model that never ends is stopped, since all that it says is kept.
    private func stopIfTooLong() {
        if outputByteCount > session.limits.maxOutputBytes {
            stop(.incomplete(.maxOutputTokens))
            session.generationEnded(self)
        }
    }

    /// The upstream's own count.
    public func reportUsage(_ usage: Usage) {
        if isActive { self.usage = usage }
    }

    /// The model came to its end.
    public func finish(_ reason: FinishReason) {
        guard isActive else { return }
        accepted()
        call = nil
        switch reason {
        case .stop, .toolCalls:
            verdict = judgeOutput()
            if case .invalid = verdict { end(.incomplete(.invalidStructuredOutput)) } else { end(.completed) }
        case .length: end(.incomplete(.maxOutputTokens))
        case .contentFilter: end(.incomplete(.contentFilter))
        }
        session.generationEnded(self)
    }

    /// The upstream failed; what it said so far is kept.
    public func fail(_ error: GenerationError) {
        guard isActive else { return }
        call = nil
        end(.failed(error))
        session.generationEnded(self)
    }

    // MARK: Items

    private func message(isRefusal: Bool) -> OutputItem {
        if let openItem, case .message(isRefusal) = openItem.kind { return openItem }
        return open(.message(isRefusal: isRefusal))
    }

    private func open(_ kind: OutputItem.Kind, toolIndex: Int = -1) -> OutputItem {
        accepted()
        // Calls of tools may be written side by side; text and reasoning end where the next item begins.
        if let openItem, openItem.toolIndex < 0 { close(openItem, as: .completed) }
        let item = OutputItem(kind: kind, index: items.count, toolIndex: toolIndex)
        items.append(item)
        openItem = item
        emitAdded(item)
        return item
    }

    private func close(_ item: OutputItem, as status: Item.Status) {
        item.close(as: status)
        emitDone(item)
    }

    private func end(_ final: Status) {
        for item in items where item.closedAs == nil {
            close(item, as: final == .completed ? .completed : .incomplete)
        }
        openItem = nil
        output = items.map(\.item)
        if usage == nil, status == .inProgress {
            usage = Usage(inputTokens: promptByteCount / 4, outputTokens: deltaCount, isEstimated: true)
        }
        if let verdict { emit(.validation) { verdict.write(to: &$0) } }
        completedAt = session.host.unixTime
        status = final
        switch final {
        case .completed: emitLifecycle(.responseCompleted)
        case .incomplete: emitLifecycle(.responseIncomplete)
        case .cancelled: emitLifecycle(.responseCancelled)
        case .failed(let error):
            emitError(error)
            emitLifecycle(.responseFailed)
        case .queued, .inProgress: break
        }
        items = []
        session.host.ended(self)
    }
}

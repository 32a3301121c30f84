import Bytes
public import JSON
import JSONSchema

/// The events of a response, in the order of `Protocols/responses.md`.
extension Generation {
    /// Number of the next event.
    @inline(__always)
    private func takeNumber() -> Int {
        if progress.eventCount == 0 { progress.firstSequence = context.writer.log.lastPosition + 1 }
        defer { progress.eventCount += 1 }
        return progress.eventCount
    }

    /// Appends an event of this response.
    func emit(_ kind: EventKind, _ item: OutputItem? = nil, _ write: (inout ByteBuffer) -> Void = { _ in }) {
        context.writer.append(kind, of: header, number: takeNumber(), item?.head, write)
    }

    /// The response was created, or its upstream has accepted it.
    func emitBeginning(_ kind: EventKind) {
        let state = ResponseState(self, lastResponseSequence: eventCount)
        emit(kind) { state.writeBeginning(to: &$0) }
    }

    /// The last event. It has no contents: the outcome is in the header from now on.
    func emitEnd(_ kind: EventKind) {
        // The last event itself counts, too.
        header.end(as: ResponseState(self, lastResponseSequence: eventCount))
        emit(kind)
    }

    func emitAdded(_ item: OutputItem) {
        header.add(item.head)
        emit(.outputItemAdded, item) { body in
            item.head.write(to: &body)
            body.append(optional: item.provider?.encoded)
        }
        if item.hasParts { emit(.contentPartAdded, item) }
    }

    /// Token path: allocates nothing except an occasional page.
    func emitDelta(_ kind: EventKind, of item: OutputItem, escaped: UnsafeRawBufferPointer) {
        let (offset, form) = item.append(escaped: escaped)
        let text = UnsafeRawBufferPointer(rebasing: item.contents.bytes[offset...])
        draft.byteCount += text.count
        context.writer.append(delta: kind, of: header, number: takeNumber(), item.head, offset: offset, text, form)
    }

    /// Emits the remaining events of an item's end.
    func emitDone(_ item: OutputItem) { while emitNextDone(item) {} }

    /// Emits the next event of an item's end. None contains the text, which is in the item.
    /// - Returns: whether there is another one.
    @discardableResult
    func emitNextDone(_ item: OutputItem) -> Bool {
        item.settle()
        switch item.ending {
        case .contents:
            switch item.kind {
            case .message: emit(.outputTextDone, item)
            case .refusal: emit(.refusalDone, item)
            case .reasoning: emit(.reasoningTextDone, item)
            case .functionCall: emit(.functionCallArgumentsDone, item)
            case .customToolCall: emit(.customToolCallInputDone, item)
            }
            item.ending = item.hasParts ? .part : .item
        case .part:
            emit(.contentPartDone, item)
            item.ending = .item
        case .item:
            emit(.outputItemDone, item) { body in
                body.append(item.closedAs == .completed ? 1 : 2)
                body.append(optional: item.provider?.encoded)
                body.append(item.interruption == nil ? 0 : 1)
                body.append(optional: item.interruption?.participantName)
            }
            item.ending = .told
        case .told: break
        }
        return item.ending != .told
    }

    func emitError(_ error: GenerationError) {
        header.failure = error
        emit(.error) { body in
            body.append(counted: error.code)
            body.append(counted: error.message)
            body.append(optional: error.param)
        }
    }

    func emitVerdict(_ verdict: OutputVerdict) {
        emit(.validation) { body in
            switch verdict {
            case .valid: body.append(1)
            case .invalid(let violation):
                body.append(0)
                body.append(counted: violation.path)
                body.append(counted: violation.message)
            }
        }
    }

    /// The response's output so far, for the event of the input that interrupts it.
    var cut: CutResponse {
        CutResponse(
            responseID: id, itemIndex: draft.openItem?.index ?? draft.items.last?.index ?? -1,
            messageIndex: draft.items.last(where: \.isMessage)?.index ?? -1, outputTokens: deltaCount)
    }

    /// The current state of the response.
    public var state: ResponseState { ResponseState(self, lastResponseSequence: eventCount - 1) }

    /// Writes the response in its current state: OpenAI's members, and all that Open Responses requires.
    public func write(to writer: inout JSONObjectWriter) { state.write(header, to: &writer) }
}

extension ResponseState {
    /// Encodes what is known at the beginning of a response.
    func writeBeginning(to body: inout ByteBuffer) {
        body.append(status == .queued ? 1 : 2)
        body.append(usage.map { $0.isEstimated ? 2 : 1 } ?? 0)
        body.append(varint: deltaCount)
        body.append(optional: route.finishWord)
        body.append(varint: route.unnamedToolCallCount)
        body.append(optional: route.upstream)
        body.append(varint: route.attempts)
        body.append(varint: route.faults.count)
        for fault in route.faults {
            body.append(counted: fault.upstream)
            body.append(counted: fault.fault)
        }
        body.append(varint: steps.count)
        for step in steps { body.append(json: { json in json.appendJSONObject { step.write(to: &$0) } }) }
    }

    /// Decodes the output of ``writeBeginning(to:)``.
    init(beginning event: SessionEvent) {
        self = event.withParts { parts in
            var state = ResponseState(status: parts.byte() == 1 ? .queued : .inProgress)
            let estimated = parts.byte()
            if estimated != 0 { state.usage = Usage(inputTokens: 0, outputTokens: 0, isEstimated: estimated == 2) }
            state.deltaCount = parts.number()
            state.route.finishWord = parts.optionalString()
            state.route.unnamedToolCallCount = parts.number()
            state.route.upstream = parts.optionalString()
            state.route.attempts = parts.number()
            for _ in 0..<min(parts.number(), event.byteCount) {
                state.route.faults.append(ResponseRoute.Fault(upstream: parts.string(), fault: parts.string()))
            }
            for _ in 0..<min(parts.number(), event.byteCount) {
                if let step = try? Step(JSONValue.parse(parts.counted(), limits: .own)) { state.steps.append(step) }
            }
            return state
        }
        lastResponseSequence = event.responseSequence
    }

    private init(status: Generation.Status) {
        self.status = status
        lastResponseSequence = 0
    }
}

extension SessionEvent {
    /// The state of the response in a beginning or end event: from the event itself, or from its header.
    public var responseState: ResponseState? {
        switch kind {
        case .responseCreated, .responseInProgress: ResponseState(beginning: self)
        default: kind.isTerminal ? response?.ending : nil
        }
    }
}

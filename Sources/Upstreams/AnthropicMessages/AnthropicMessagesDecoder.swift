import Bytes
import HTTP
import JSON
package import Sessions

/// Decodes responses of Anthropic's `messages`: typed events up to `message_stop`, or one JSON object.
///
/// Understood parts of an event are delivered, the rest is ignored. See `Protocols/upstreams.md`, What we expect.
package struct AnthropicMessagesDecoder: ResponseDecoder, ~Copyable {
    /// The dialect's own stop reasons; any other word is reported to the client as well as mapped.
    private static let finishWords = ["end_turn", "max_tokens", "stop_sequence", "tool_use", "refusal"]

    private var events = ServerSentEventParser(maxEventBytes: UpstreamLimits.maxEventBytes, isLenient: true)
    private var text = AnswerText()
    private var calls = ToolCallAssembler()
    private var finish = Finish()
    private var usage = UsageCounts(inputHasCached: false)
    private var isStopped = false
    /// Signature of the current thinking block.
    private var signature = ""
    /// Index of the block opened last, for events without an `index`.
    private var blockIndex = -1
    /// Index of the last block that is not a client's tool call; the deltas of such a block, for example of a server-side search,
    /// are not for clients.
    private var otherBlockIndex = -1
    private var hasUnderstood = false
    private var hasPassedOver = false
    /// The last message that was neither part of the answer nor marked as an error. It becomes the error if nothing follows.
    private var lastWords: UpstreamErrorObject?
    private var scratch = ByteBuffer()

    package init() {}

    package var hasDelivered: Bool { text.hasDelivered }
    package var hasFinished: Bool { finish.meaning != nil }

    package mutating func receive<Sink: ModelSink>(
        _ bytes: UnsafeRawBufferPointer, into sink: Sink
    ) throws(UpstreamFault) -> FinishReason? {
        var input = bytes
        while let event = try nextEvent(&input) {
            if event.isError, !finish.isWhole { throw .inBand(UpstreamErrorObject(text: event.dataText)) }
            if event.data.isEmpty { continue }
            // A gateway that also speaks Chat Completions may add `[DONE]`.
            if event.isDone { return try end(into: sink) }
            try read(event, into: sink)
            if isStopped { return try end(into: sink) }
        }
        return nil
    }

    package mutating func end<Sink: ModelSink>(into sink: Sink) throws(UpstreamFault) -> FinishReason {
        switch events.takeUnfinished() {
        case .error(let error) where !finish.isWhole: throw .inBand(error)
        case .line(let event) where !isStopped: try readLast(event, into: sink)
        case .error, .line, .nothing: break
        }
        if !hasFinished, hasPassedOver, !hasUnderstood { throw .malformed("events that are not JSON") }
        if !hasFinished, let lastWords { throw .inBand(lastWords) }
        let reason = try finish.reason(words: Self.finishWords, into: sink)
        try calls.conclude(&text, into: sink)
        text.flush(into: sink)
        return calls.hasLeftOut ? .length : reason
    }

    /// Reads the last event, which may be truncated. How the answer ended decides whether it is complete.
    private mutating func readLast<Sink: ModelSink>(_ event: ServerSentEvent, into sink: Sink) throws(UpstreamFault) {
        do throws(UpstreamFault) {
            try read(event, into: sink)
        } catch .malformed {
            return
        }
    }

    private mutating func nextEvent(_ input: inout UnsafeRawBufferPointer) throws(UpstreamFault) -> ServerSentEvent? {
        do throws(ServerSentEventError) {
            return try events.next(&input)
        } catch {
            throw .malformed("an event of more than \(UpstreamLimits.maxEventBytes) bytes")
        }
    }

    // MARK: Events

    private mutating func read<Sink: ModelSink>(_ event: ServerSentEvent, into sink: Sink) throws(UpstreamFault) {
        let wasWhole = finish.isWhole
        var errorObject: UpstreamErrorObject?
        do throws(JSONError) {
            try readEvent(event.data, named: event.type, &errorObject, into: sink)
        } catch {
            let fault = wasWhole ? nil : UpstreamFault.malformed("an event with \(error)")
            let isRead = try LenientJSON.readRepaired(event.data, otherwise: fault) { data throws(JSONError) in
                try readEvent(data, named: event.type, &errorObject, into: sink)
            }
            if !isRead { hasPassedOver = true }
        }
        if let errorObject, !wasWhole { throw .inBand(errorObject) }
    }

    /// Delivers nothing until the whole event is known to be valid JSON.
    private mutating func readEvent<Sink: ModelSink>(
        _ json: UnsafeRawBufferPointer, named name: UnsafeRawBufferPointer, _ errorObject: inout UpstreamErrorObject?,
        into sink: Sink
    ) throws(JSONError) {
        var reader = JSONReader(json)
        guard try reader.peek() == .object else {
            try reader.skipValue()
            try reader.finish()
            hasPassedOver = true
            return
        }
        var whole = reader
        let event = try AnthropicEvent(&reader)
        try reader.finish()
        hasUnderstood = true
        let type = event.type?.bytes ?? name
        if try take(event, type, into: sink) {
            lastWords = nil
            if var error = event.error { errorObject = UpstreamErrorObject(told: try error.readValue()) }
            return
        }
        // The API may add event types, so unknown events are ignored. A gateway's message in place of an answer may have any shape.
        if type.equals("ping") { return }
        let value = try whole.readValue()
        errorObject = type.equals("error") ? UpstreamErrorObject(value) : UpstreamErrorObject(saying: value)
        if errorObject == nil { lastWords = UpstreamErrorObject(flat: value) ?? lastWords }
    }

    /// - Returns: false if the event is not part of an answer.
    private mutating func take<Sink: ModelSink>(
        _ event: AnthropicEvent, _ type: UnsafeRawBufferPointer, into sink: Sink
    ) throws(JSONError) -> Bool {
        if type.equals("content_block_delta") {
            if var delta = event.delta { try readDelta(&delta, event.index ?? blockIndex, into: sink) }
        } else if type.equals("content_block_start") {
            blockIndex = event.index ?? blockIndex + 1
            if var block = event.contentBlock { try begin(try AnthropicBlock(&block), blockIndex, into: sink) }
        } else if type.equals("content_block_stop") {
            calls.settle(index: event.index ?? blockIndex, &text, into: sink)
            giveSignature(into: sink)
        } else if type.equals("message_start") {
            if var message = event.message { try readStart(&message) }
        } else if type.equals("message_delta") {
            if var delta = event.delta { try readStop(&delta) }
            if var reason = event.stopReason { _ = try finish.take(&reason) }
            if var counts = event.usage, try usage.read(&counts) { sink.reportUsage(usage.usage) }
        } else if type.equals("message_stop") {
            if var reason = event.stopReason { _ = try finish.take(&reason) }
            isStopped = true
        } else {
            return false
        }
        return true
    }

    private mutating func readDelta<Sink: ModelSink>(
        _ reader: inout JSONReader, _ index: Int, into sink: Sink
    ) throws(JSONError) {
        guard try reader.peek() == .object else {
            try ContentParts(kind: .text, isLast: false).read(&reader, &text, into: sink)
            return
        }
        try reader.enterObject()
        while let key = try reader.nextKey() {
            switch key {
            case "text": try ContentParts(kind: .text, isLast: false).read(&reader, &text, into: sink)
            case "thinking": try ContentParts(kind: .reasoning, isLast: false).read(&reader, &text, into: sink)
            case "signature": addSignature(try reader.readText())
            case "partial_json":
                guard let arguments = try arguments(&reader), index != otherBlockIndex else { continue }
                calls.take(ToolCallAssembler.Piece(index: index, arguments: arguments), &text, into: sink)
            default: try reader.skipValue()
            }
        }
    }

    /// Contents of a JSON string. The specification asks for a string that contains JSON; some servers send the JSON value itself.
    private mutating func arguments(_ reader: inout JSONReader) throws(JSONError) -> UnsafeRawBufferPointer? {
        switch try reader.peek() {
        case .string: return try reader.readString().bytes
        case .object, .array:
            scratch.clear()
            scratch.appendJSONStringContents(utf8: try reader.rawValue())
            return scratch.bytes
        case .number, .bool, .null:
            try reader.skipValue()
            return nil
        }
    }

    /// Opens a block. Its initial contents count, except a tool's input that arrives in deltas.
    private mutating func begin<Sink: ModelSink>(_ block: AnthropicBlock, _ index: Int, into sink: Sink) throws(JSONError) {
        otherBlockIndex = block.isTool ? -1 : index
        guard block.isTool else {
            try deliverText(of: block, into: sink)
            addSignature(block.signature)
            if let data = block.redacted {
                text.flush(into: sink)
                text.deliveredCall()
                sink.endReasoning()
                sink.provide(.anthropic("redacted", data.string()), with: .reasoning)
                sink.endReasoning()
            }
            return
        }
        calls.begin(ToolCallAssembler.Piece(index: index, id: block.id, name: block.name), &text, into: sink)
        if var input = block.input, let arguments = try arguments(&input) { calls.setAside(arguments, index: index) }
    }

    private mutating func addSignature(_ piece: RawString?) {
        guard let piece, signature.utf8.count <= UpstreamLimits.maxWaitingArgumentBytes else { return }
        signature += piece.string()
    }

    /// Closes a block. Reasoning after a signed thinking block starts a new one.
    private mutating func giveSignature<Sink: ModelSink>(into sink: Sink) {
        if signature.isEmpty { return }
        text.flush(into: sink)
        text.deliveredCall()
        sink.provide(.anthropic("signature", signature), with: .reasoning)
        sink.endReasoning()
        signature = ""
    }

    private mutating func deliverText<Sink: ModelSink>(of block: AnthropicBlock, into sink: Sink) throws(JSONError) {
        if var thinking = block.thinking {
            try ContentParts(kind: .reasoning, isLast: false).read(&thinking, &text, into: sink)
        }
        if var words = block.text { try ContentParts(kind: .text, isLast: false).read(&words, &text, into: sink) }
    }

    private mutating func readStart(_ reader: inout JSONReader) throws(JSONError) {
        guard try reader.enteredObject() else { return }
        while let key = try reader.nextKey() {
            if key == "usage" { _ = try usage.read(&reader) } else { try reader.skipValue() }
        }
    }

    private mutating func readStop(_ reader: inout JSONReader) throws(JSONError) {
        guard try reader.enteredObject() else { return }
        while let key = try reader.nextKey() {
            if key == "stop_reason" { _ = try finish.take(&reader) } else { try reader.skipValue() }
        }
    }

    // MARK: Whole answers

    package mutating func receiveWhole<Sink: ModelSink>(
        _ body: UnsafeRawBufferPointer, into sink: Sink
    ) throws(UpstreamFault) -> FinishReason {
        var errorObject: UpstreamErrorObject?
        do throws(JSONError) {
            try readWhole(body, &errorObject, into: sink)
        } catch {
            if LenientJSON.isSeveralLines(body) {
                if let reason = try receive(body, into: sink) { return reason }
                return try end(into: sink)
            }
            let isRead = try LenientJSON.readRepaired(body, otherwise: .malformed("a body with \(error)")) {
                body throws(JSONError) in try readWhole(body, &errorObject, into: sink)
            }
            if !isRead { throw .malformed("a body that is not JSON") }
        }
        if let errorObject { throw .inBand(errorObject) }
        return try end(into: sink)
    }

    private mutating func readWhole<Sink: ModelSink>(
        _ body: UnsafeRawBufferPointer, _ errorObject: inout UpstreamErrorObject?, into sink: Sink
    ) throws(JSONError) {
        var content: JSONReader?
        var counts: JSONReader?
        var reason: JSONReader?
        var error: JSONReader?
        var reader = JSONReader(body)
        try reader.enterObject()
        while let key = try reader.nextKey() {
            switch key {
            case "content": content = try reader.bookmark()
            case "stop_reason": reason = try reader.bookmark()
            case "usage": counts = try reader.bookmark()
            case "error": error = try reader.bookmark()
            default: try reader.skipValue()
            }
        }
        try reader.finish()
        if var content { try readContent(&content, into: sink) }
        if var counts, try usage.read(&counts) { sink.reportUsage(usage.usage) }
        if var reason { _ = try finish.take(&reason) }
        if var error {
            var whole = JSONReader(body)
            if !(try error.readValue().saysNothing) { errorObject = UpstreamErrorObject(try whole.readValue()) }
        }
    }

    private mutating func readContent<Sink: ModelSink>(_ reader: inout JSONReader, into sink: Sink) throws(JSONError) {
        guard try reader.peek() == .array else {
            try ContentParts(kind: .text, isLast: false).read(&reader, &text, into: sink)
            return
        }
        try reader.enterArray()
        var index = 0
        while try reader.nextElement() {
            if try reader.peek() == .object {
                try begin(try AnthropicBlock(&reader), index, into: sink)
                calls.settle(index: index, &text, into: sink)
                giveSignature(into: sink)
            } else {
                try ContentParts(kind: .text, isLast: false).read(&reader, &text, into: sink)
            }
            index += 1
        }
    }
}

extension ProviderData {
    fileprivate static func anthropic(_ name: String, _ value: String) -> ProviderData {
        ProviderData(dialect: anthropic, members: JSONObject([(name, .string(value))]))
    }
}

extension UnsafeRawBufferPointer {
    fileprivate func equals(_ name: StaticString) -> Bool {
        count == name.utf8CodeUnitCount && elementsEqual(UnsafeRawBufferPointer(start: name.utf8Start, count: count))
    }
}

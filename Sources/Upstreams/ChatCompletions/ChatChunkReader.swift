import Bytes
import JSON
import Sessions

/// Reads a series of `chat.completion.chunk`, or one whole `chat.completion`. Allocates nothing for a text delta.
///
/// Understood parts of a chunk are delivered, the rest is ignored. See `Protocols/upstreams.md`, What we expect.
struct ChatChunkReader: ~Copyable {
    /// The dialect's own finish reasons; any other word is reported to the client as well as mapped.
    private static let finishWords = ["stop", "length", "tool_calls", "function_call", "content_filter"]

    private var text = AnswerText()
    /// Of the last chunk, if it told nothing but text.
    private var frame = ChunkFrame()
    private var toolCalls = ChatToolCalls()
    private var finish = Finish()
    private var usage = UsageCounts(inputHasCached: true)
    /// Index of the choice that is read: that of the first choice received, nearly always 0.
    private var choiceIndex: Int?
    private var hasReasoning = false
    /// Reasoning details, which the upstream must get back.
    private var details = ReasoningDetails()
    /// Whether any event was a chunk.
    private var hasUnderstood = false
    private var hasPassedOver = false
    /// The last message that was neither part of the answer nor marked as an error. It becomes the error if nothing follows.
    private var lastWords: UpstreamErrorObject?

    var hasDelivered: Bool { text.hasDelivered }
    /// Whether a finish reason was received.
    var hasFinished: Bool { finish.meaning != nil }
    /// Whether the finish reason says that the answer is complete. Nothing received later can invalidate it.
    var isWhole: Bool { finish.isWhole }

    /// Reads the data of an event, or a whole body.
    /// - Throws: ``UpstreamFault/malformed(_:)`` for JSON that cannot be repaired unambiguously, ``UpstreamFault/inBand(_:)`` for
    ///   an error.
    mutating func read<Sink: ModelSink>(_ json: UnsafeRawBufferPointer, into sink: Sink) throws(UpstreamFault) {
        if let piece = frame.text(of: json) {
            text.write(piece, as: .text, into: sink)
            return
        }
        frame.clear()
        let wasWhole = isWhole
        var errorObject: UpstreamErrorObject?
        do throws(JSONError) {
            try readValue(json, &errorObject, into: sink)
        } catch {
            // The description of a JSON error quotes no content.
            let fault = wasWhole ? nil : UpstreamFault.malformed("a chunk with \(error)")
            let isRead = try LenientJSON.readRepaired(json, otherwise: fault) { text throws(JSONError) in
                try readValue(text, &errorObject, into: sink)
            }
            if !isRead { hasPassedOver = true }
        }
        // An error after the end does not invalidate the answer.
        if let errorObject, !wasWhole { throw .inBand(errorObject) }
    }

    /// Ends the answer, at `[DONE]` or at the end of the body.
    mutating func conclude<Sink: ModelSink>(into sink: Sink) throws(UpstreamFault) -> FinishReason {
        if !hasFinished, hasPassedOver, !hasUnderstood { throw .malformed("events that are not JSON") }
        if !hasFinished, let lastWords { throw .inBand(lastWords) }
        giveDetails(into: sink)
        let reason = try finish.reason(words: Self.finishWords, into: sink)
        try toolCalls.conclude(&text, into: sink)
        text.flush(into: sink)
        return toolCalls.hasLeftOut ? .length : reason
    }

    /// Reads a chunk or a list of chunks and ignores any other value. Validates all of it before anything is delivered.
    private mutating func readValue<Sink: ModelSink>(
        _ json: UnsafeRawBufferPointer, _ errorObject: inout UpstreamErrorObject?, into sink: Sink
    ) throws(JSONError) {
        var reader = JSONReader(json)
        switch try reader.peek() {
        case .object:
            let chunk = try ChatChunk(&reader)
            try reader.finish()
            try deliver(chunk, &errorObject, into: sink)
            if let piece = chunk.onlyText, chunk.choice?.index ?? choiceIndex == choiceIndex { frame.store(json, around: piece) }
        case .array:
            var list = reader
            try reader.skipValue()
            try reader.finish()
            try list.enterArray()
            while try list.nextElement() {
                guard try list.peek() == .object else {
                    try list.skipValue()
                    continue
                }
                try deliver(try ChatChunk(&list), &errorObject, into: sink)
            }
        case .string, .number, .bool, .null:
            try reader.skipValue()
            try reader.finish()
            hasPassedOver = true
        }
    }

    private mutating func deliver<Sink: ModelSink>(
        _ chunk: ChatChunk, _ errorObject: inout UpstreamErrorObject?, into sink: Sink
    ) throws(JSONError) {
        hasUnderstood = true
        if let choice = chunk.choice { try deliver(choice, position: 0, into: sink) }
        if var choices = chunk.choices {
            try choices.enterArray()
            var position = 0
            while try choices.nextElement() {
                if position == 0 {
                    try choices.skipValue()
                } else {
                    try deliver(try ChatChoice(&choices), position: position, into: sink)
                }
                position += 1
            }
        }
        if var counts = chunk.usage { try readUsage(&counts, into: sink) }
        if chunk.choice != nil { lastWords = nil }
        switch try chunk.readError() {
        case .nothing: break
        case .error(let error): errorObject = error
        case .words(let words): lastWords = words
        }
    }

    private mutating func readUsage<Sink: ModelSink>(_ counts: inout JSONReader, into sink: Sink) throws(JSONError) {
        if try usage.read(&counts) { sink.reportUsage(usage.usage) }
    }

    private mutating func deliver<Sink: ModelSink>(
        _ choice: ChatChoice, position: Int, into sink: Sink
    ) throws(JSONError) {
        let index = choice.index ?? (position == 0 ? choiceIndex ?? 0 : position)
        if choiceIndex == nil { choiceIndex = index }
        guard index == choiceIndex else { return }
        var isLast = false
        if var reason = choice.finishReason { isLast = try finish.take(&reason) }
        if let delta = choice.delta { try deliver(delta, isLast: isLast, into: sink) }
        if let piece = choice.text, choice.delta?.content == nil, choice.message == nil {
            text.write(piece, as: .text, isLast: isLast, into: sink)
        }
        if let message = choice.message { try deliver(whole: message, isLast: isLast, into: sink) }
        if var counts = choice.usage { try readUsage(&counts, into: sink) }
    }

    private mutating func deliver<Sink: ModelSink>(_ delta: ChatDelta, isLast: Bool, into sink: Sink) throws(JSONError) {
        if delta.isForeign { return }
        if var list = delta.reasoningDetails { details.take(try list.readValue()) }
        // Reasoning details precede the text or tool call that follows the reasoning.
        if !details.isEmpty, delta.content != nil || delta.toolCalls != nil { giveDetails(into: sink) }
        if let reasoning = delta.reasoning {
            if !hasReasoning, let name = delta.reasoningName { sink.provide(.named(name.string()), with: .reasoning) }
            hasReasoning = true
            try write(reasoning, as: .reasoning, isLast: isLast, into: sink)
        } else if !hasReasoning, var details = delta.reasoningDetails {
            try ContentParts(kind: .reasoning, isLast: isLast).read(&details, &text, into: sink)
        }
        if let content = delta.content { try write(content, as: .text, isLast: isLast, into: sink) }
        if let refusal = delta.refusal { try write(refusal, as: .refusal, isLast: isLast, into: sink) }
        if var calls = delta.toolCalls { try toolCalls.read(&calls, &text, into: sink) }
        if var call = delta.functionCall { try toolCalls.readFunctionCall(&call, &text, into: sink) }
        if var extra = delta.extraContent, delta.toolCalls == nil {
            text.flush(into: sink)
            text.deliveredCall()
            sink.provide(
                ProviderData(dialect: ProviderData.openAI, members: ["extra_content": try extra.readValue()]), with: .message)
        }
    }

    private mutating func giveDetails<Sink: ModelSink>(into sink: Sink) {
        let list = details.finish()
        if list.isEmpty { return }
        text.flush(into: sink)
        text.deliveredCall()
        sink.provide(
            ProviderData(dialect: ProviderData.openAI, members: ["reasoning_details": .array(list)]), with: .reasoning)
    }

    /// Delivers a message with the whole answer. After deltas it is a summary of them.
    private mutating func deliver<Sink: ModelSink>(
        whole message: ChatDelta, isLast: Bool, into sink: Sink
    ) throws(JSONError) {
        if message.isForeign { return }
        let isFirst = !text.hasDelivered
        if isFirst, var list = message.reasoningDetails { details.take(try list.readValue()) }
        if let reasoning = message.reasoning {
            if !hasReasoning, let name = message.reasoningName { sink.provide(.named(name.string()), with: .reasoning) }
            hasReasoning = true
            try write(whole: reasoning, as: .reasoning, isLast: isLast, into: sink)
        } else if isFirst, var details = message.reasoningDetails {
            try ContentParts(kind: .reasoning, isLast: isLast).read(&details, &text, into: sink)
        }
        giveDetails(into: sink)
        if let content = message.content { try write(whole: content, as: .text, isLast: isLast, into: sink) }
        if let refusal = message.refusal { try write(whole: refusal, as: .refusal, isLast: isLast, into: sink) }
        if var calls = message.toolCalls { try toolCalls.readWhole(&calls, &text, into: sink) }
        if isFirst, var call = message.functionCall { try toolCalls.readFunctionCall(&call, &text, into: sink) }
    }

    private mutating func write<Sink: ModelSink>(
        _ content: ChatDelta.Content, as kind: AnswerText.Kind, isLast: Bool, into sink: Sink
    ) throws(JSONError) {
        switch content {
        case .text(let piece): text.write(piece, as: kind, isLast: isLast, into: sink)
        case .parts(var parts): try ContentParts(kind: kind, isLast: isLast).read(&parts, &text, into: sink)
        }
    }

    private mutating func write<Sink: ModelSink>(
        whole content: ChatDelta.Content, as kind: AnswerText.Kind, isLast: Bool, into sink: Sink
    ) throws(JSONError) {
        switch content {
        case .text(let message): text.writeWhole(message, as: kind, isLast: isLast, into: sink)
        case .parts(var parts):
            if text.hasSaid(kind) { return }
            try ContentParts(kind: kind, isLast: isLast).read(&parts, &text, into: sink)
        }
    }
}

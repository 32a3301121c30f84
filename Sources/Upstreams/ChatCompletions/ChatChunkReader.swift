import Bytes
import JSON
import Sessions

/// Reads one `chat.completion.chunk` (or a whole `chat.completion`) after the other. Allocates nothing for a text delta.
struct ChatChunkReader: ~Copyable {
    /// What the finish reason said; the answer may still have usage to come.
    private enum Finish {
        case none
        case reason(FinishReason)
        /// A reason that says that the server gave up, such as vLLM's `abort`.
        case givenUp
    }

    private(set) var hasDelivered = false
    private var finish = Finish.none
    private var toolCalls = ChatToolCalls()

    /// - Throws: ``UpstreamFault/malformed(_:)``, or ``UpstreamFault/inBand(_:)`` for a chunk that is an error.
    mutating func read<Sink: ModelSink>(_ json: UnsafeRawBufferPointer, into sink: Sink) throws(UpstreamFault) {
        var reader = JSONReader(json)
        var errorObject: UpstreamErrorObject?
        do throws(JSONError) {
            try reader.enterObject()
            while let key = try reader.nextKey() {
                switch key {
                case "choices": try readChoices(&reader, into: sink)
                case "usage": try readUsage(&reader, into: sink)
                case "error":
                    if try !reader.readNull() { errorObject = UpstreamErrorObject(try reader.readValue()) }
                default: try reader.skipValue()
                }
            }
            try reader.finish()
        } catch {
            // The reason names no content.
            throw .malformed("a chunk with \(error)")
        }
        if let errorObject { throw .inBand(errorObject) }
    }

    /// The answer has ended, by the server's word or by the end of the body.
    func conclude() throws(UpstreamFault) -> FinishReason {
        switch finish {
        case .reason(let reason): return reason
        case .none, .givenUp: throw .truncated
        }
    }

    private mutating func readChoices<Sink: ModelSink>(_ reader: inout JSONReader, into sink: Sink) throws(JSONError) {
        if try reader.readNull() { return }
        try reader.enterArray()
        while try reader.nextElement() { try readChoice(&reader, into: sink) }
    }

    private mutating func readChoice<Sink: ModelSink>(_ reader: inout JSONReader, into sink: Sink) throws(JSONError) {
        try reader.enterObject()
        var index: Int?
        var later: JSONReader?
        while let key = try reader.nextKey() {
            switch key {
            case "index": index = try reader.readNull() ? nil : try reader.readInt()
            case "delta", "message":
                if index == 0 {
                    try readDelta(&reader, into: sink)
                } else {
                    // Whose it is comes after it, or it is another choice's.
                    later = reader
                    try reader.skipValue()
                }
            case "finish_reason":
                guard let reason = try reader.readStringOrNull(), (index ?? 0) == 0 else { continue }
                takeFinish(reason)
            default: try reader.skipValue()
            }
        }
        if (index ?? 0) == 0, var later { try readDelta(&later, into: sink) }
    }

    private mutating func takeFinish(_ reason: RawString) {
        switch reason {
        case "length": finish = .reason(.length)
        case "tool_calls", "function_call": finish = .reason(.toolCalls)
        case "content_filter": finish = .reason(.contentFilter)
        case "abort", "error": finish = .givenUp
        default: finish = .reason(.stop)
        }
    }

    private mutating func readDelta<Sink: ModelSink>(_ reader: inout JSONReader, into sink: Sink) throws(JSONError) {
        if try reader.readNull() { return }
        try reader.enterObject()
        var hasReasoning = false
        while let key = try reader.nextKey() {
            switch key {
            case "content":
                guard let text = try reader.readStringOrNull(), !text.isEmpty else { continue }
                hasDelivered = true
                sink.textDelta(escaped: text.bytes)
            case "reasoning_content", "reasoning":
                // Some servers send the same text under both names.
                guard let text = try reader.readStringOrNull(), !text.isEmpty, !hasReasoning else { continue }
                hasReasoning = true
                hasDelivered = true
                sink.reasoningDelta(escaped: text.bytes)
            case "refusal":
                guard let text = try reader.readStringOrNull(), !text.isEmpty else { continue }
                hasDelivered = true
                sink.refusalDelta(escaped: text.bytes)
            case "tool_calls":
                if try reader.readNull() { continue }
                hasDelivered = true
                try toolCalls.read(&reader, into: sink)
            default: try reader.skipValue()
            }
        }
    }

    private func readUsage<Sink: ModelSink>(_ reader: inout JSONReader, into sink: Sink) throws(JSONError) {
        if try reader.readNull() { return }
        var usage = Usage(inputTokens: 0, outputTokens: 0)
        try reader.enterObject()
        while let key = try reader.nextKey() {
            switch key {
            case "prompt_tokens": usage.inputTokens = try reader.readCount()
            case "completion_tokens": usage.outputTokens = try reader.readCount()
            case "prompt_tokens_details": usage.cachedTokens = try reader.readCount(in: "cached_tokens")
            case "completion_tokens_details": usage.reasoningTokens = try reader.readCount(in: "reasoning_tokens")
            default: try reader.skipValue()
            }
        }
        sink.reportUsage(usage)
    }
}

extension JSONReader {
    /// A count of tokens; null is 0, and so is what cannot be one.
    mutating func readCount() throws(JSONError) -> Int {
        if try readNull() { return 0 }
        // Bounded so that sums of counts never overflow.
        return min(max(try readInt(), 0), 1 << 40)
    }

    /// A count within an object that may be null.
    mutating func readCount(in name: StaticString) throws(JSONError) -> Int {
        if try readNull() { return 0 }
        var count = 0
        try enterObject()
        while let key = try nextKey() {
            if key == name { count = try readCount() } else { try skipValue() }
        }
        return count
    }
}

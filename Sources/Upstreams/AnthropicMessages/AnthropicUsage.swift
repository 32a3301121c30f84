import Bytes
import JSON
import Sessions

/// Counts come in two events, and those of the later one are totals.
struct AnthropicUsage {
    private var input = 0
    private var cacheRead = 0
    private var cacheWritten = 0
    private var output = 0

    mutating func read(_ reader: inout JSONReader) throws(JSONError) {
        if try reader.readNull() { return }
        try reader.enterObject()
        while let key = try reader.nextKey() {
            switch key {
            case "input_tokens": input = try reader.readCount()
            case "cache_read_input_tokens": cacheRead = try reader.readCount()
            case "cache_creation_input_tokens": cacheWritten = try reader.readCount()
            case "output_tokens": output = try reader.readCount()
            default: try reader.skipValue()
            }
        }
    }

    var total: Usage {
        Usage(
            inputTokens: input.saturatingAdding(cacheRead).saturatingAdding(cacheWritten), outputTokens: output,
            cachedTokens: cacheRead)
    }
}

extension FinishReason {
    init(anthropic reason: RawString) {
        switch reason {
        case "max_tokens", "model_context_window_exceeded": self = .length
        case "tool_use": self = .toolCalls
        case "refusal": self = .contentFilter
        default: self = .stop
        }
    }
}

import Bytes
import JSON
import Sessions

/// Token counts in the terms of several dialects, collected from anywhere in an answer. A later count replaces an earlier one; an
/// invalid count, or zero where there must be one, replaces nothing.
struct UsageCounts {
    private var input: Int?
    private var output: Int?
    private var total: Int?
    private var cached: Int?
    private var reasoning: Int?
    /// Gemini's, which may not be included in its count of candidates.
    private var thoughts: Int?
    /// Anthropic's, which its input count does not include.
    private var cacheRead: Int?
    private var cacheWritten: Int?
    /// Whether the input count includes tokens read from a cache.
    private let inputHasCached: Bool

    init(inputHasCached: Bool) { self.inputHasCached = inputHasCached }

    /// Reads the `usage` object, or any other value instead of it.
    /// - Returns: whether it contained a count.
    mutating func read(_ reader: inout JSONReader) throws(JSONError) -> Bool {
        var isCount = false
        guard try reader.enteredObject() else { return false }
        while let key = try reader.nextKey() {
            switch key {
            case "prompt_tokens", "input_tokens", "promptTokenCount", "prompt_token_count", "prompt_n":
                isCount = Self.replace(&input, try reader.readCount()) || isCount
            case "completion_tokens", "output_tokens", "candidatesTokenCount", "candidates_token_count", "predicted_n":
                isCount = Self.replace(&output, try reader.readCount()) || isCount
            case "total_tokens", "totalTokenCount": isCount = Self.replace(&total, try reader.readCount()) || isCount
            case "prompt_tokens_details", "input_tokens_details":
                isCount = Self.replace(&cached, try reader.readCount(in: "cached_tokens")) || isCount
            case "completion_tokens_details", "output_tokens_details":
                isCount = Self.replace(&reasoning, try reader.readCount(in: "reasoning_tokens")) || isCount
            // DeepSeek, Moonshot, Gemini.
            case "prompt_cache_hit_tokens", "cached_tokens", "cachedContentTokenCount":
                isCount = Self.replace(&cached, try reader.readCount()) || isCount
            case "reasoning_tokens": isCount = Self.replace(&reasoning, try reader.readCount()) || isCount
            case "thoughtsTokenCount", "thoughts_token_count":
                isCount = Self.replace(&thoughts, try reader.readCount()) || isCount
            case "cache_read_input_tokens": isCount = Self.replace(&cacheRead, try reader.readCount()) || isCount
            case "cache_creation_input_tokens": isCount = Self.replace(&cacheWritten, try reader.readCount()) || isCount
            default: try reader.skipValue()
            }
        }
        return isCount
    }

    private static func replace(_ count: inout Int?, _ new: Int?) -> Bool {
        guard let new, new > 0 else { return false }
        count = new
        return true
    }

    /// The counts so far; 0 for a count that was not received and does not follow from the others.
    var usage: Usage {
        // The total shows whether thoughts are counted in addition to the candidates.
        let isBeside = total.map { $0 >= (input ?? 0).saturatingAdding(output ?? 0).saturatingAdding(thoughts ?? 0) } ?? false
        let answer = isBeside ? output.map { $0.saturatingAdding(thoughts ?? 0) } : output
        var inputTokens = input ?? total.map { max(0, $0.saturatingSubtracting(answer ?? 0)) } ?? 0
        let outputTokens = answer ?? total.map { max(0, $0.saturatingSubtracting(inputTokens)) } ?? 0
        if !inputHasCached { inputTokens = inputTokens.saturatingAdding(cacheRead ?? 0).saturatingAdding(cacheWritten ?? 0) }
        // A part never exceeds the whole.
        return Usage(
            inputTokens: inputTokens, outputTokens: outputTokens, cachedTokens: min(cached ?? cacheRead ?? 0, inputTokens),
            reasoningTokens: min(reasoning ?? thoughts ?? 0, outputTokens))
    }
}

extension JSONReader {
    /// Reads a count within an object.
    fileprivate mutating func readCount(in name: StaticString) throws(JSONError) -> Int? {
        guard try enteredObject() else { return nil }
        var count: Int?
        while let key = try nextKey() {
            if key == name { count = try readCount() ?? count } else { try skipValue() }
        }
        return count
    }
}

import JSON
import Sessions

/// The meaning of an upstream's finish reason, whatever its dialect.
///
/// OpenAI, Anthropic, Gemini, Cohere, Mistral, Bedrock, DeepSeek, GLM, Qwen and their inference engines each have their own words,
/// and gateways pass them on.
enum FinishMeaning: Equatable {
    case reason(FinishReason)
    /// The server failed: the answer is incomplete.
    case failure
    /// An unknown word: the answer has ended nevertheless.
    case unknown

    /// - Parameter word: as the upstream wrote it; not empty.
    init(_ word: String) {
        switch Self.normalized(word) {
        case "stop", "stopped", "end_turn", "end", "eos", "eos_token", "eos_found", "stop_sequence", "stop_token", "stop_str",
            "complete", "completed", "finished", "done", "success", "normal", "natural":
            self = .reason(.stop)
        case "length", "max_tokens", "max_token", "max_output_tokens", "max_completion_tokens", "max_new_tokens", "max_length",
            "model_length", "model_context_window_exceeded", "context_length", "context_length_exceeded", "context_window_exceeded",
            "length_limit", "length_capped", "token_limit", "token_limit_reached", "max_tokens_reached", "error_limit", "truncated",
            "limit":
            self = .reason(.length)
        case "tool_calls", "tool_call", "tool_use", "tools", "tool", "function_call", "function_calls":
            self = .reason(.toolCalls)
        case "content_filter", "content_filtered", "contentfilter", "safety", "sensitive", "refusal", "refused", "blocklist",
            "prohibited_content", "spii", "recitation", "image_safety", "image_prohibited_content", "image_recitation",
            "image_other", "guardrail_intervened", "guardrails", "guardrail", "moderation", "moderated", "flagged", "blocked",
            "block", "error_toxic", "model_armor", "unsafe", "content_policy", "content_policy_violation", "policy_violation",
            "data_inspection_failed", "risk", "censored":
            self = .reason(.contentFilter)
        case "error", "errored", "fail", "failed", "failure", "abort", "aborted", "cancel", "cancelled", "canceled", "user_cancel",
            "insufficient_system_resource", "network_error", "server_error", "internal_error", "internal_server_error",
            "engine_error", "model_error", "timeout", "timed_out", "overloaded", "service_unavailable", "preempted",
            "malformed_function_call", "malformed_response", "malformed_model_output", "malformed_tool_use", "unexpected_tool_call":
            self = .failure
        default: self = .unknown
        }
    }

    /// Lower case, words joined by `_`, without a prefix that only says "finish reason". Covers `FinishReason.MAX_TOKENS`,
    /// `FINISH_REASON_STOP`, `max-tokens` and `maxTokens`.
    private static func normalized(_ word: String) -> String {
        let last = word.split(whereSeparator: { $0 == "." || $0 == ":" }).last ?? ""
        let hasSmall = last.contains(where: \.isLowercase)
        var result = ""
        for character in last.prefix(100) {
            if character == "-" || character.isWhitespace {
                if !result.isEmpty { result.append("_") }
            } else {
                if hasSmall, character.isUppercase, let before = result.last, before != "_" { result.append("_") }
                result.append(contentsOf: character.lowercased())
            }
        }
        while result.last == "_" { result.removeLast() }
        return result.hasPrefix("finish_reason_") ? String(result.dropFirst("finish_reason_".count)) : result
    }
}

/// The end of an answer, as far as the upstream has reported it.
struct Finish {
    /// Meaning of the last word that counts.
    private(set) var meaning: FinishMeaning?
    private(set) var word = ""
    /// Whether the answer has ended other than by a failure of the server.
    var isWhole: Bool { meaning.map { $0 != .failure } ?? false }

    /// Reads another word. An empty one is ignored, and `stop` does not replace a more specific one.
    /// - Parameter reader: at the value, of any type.
    /// - Returns: whether the value is a finish reason.
    mutating func take(_ reader: inout JSONReader) throws(JSONError) -> Bool {
        if try reader.peek() == .string {
            let raw = try reader.readString()
            if raw.isEmpty { return false }
            // Some servers repeat it in every chunk.
            return raw == "stop" && meaning == .reason(.stop) ? true : take(raw.string())
        }
        return try reader.readWord().map { take($0) } ?? false
    }

    private mutating func take(_ text: String) -> Bool {
        let text = text.prefix(200).trimmingPrefix(while: \.isWhitespace)
        if text.isEmpty || text.lowercased() == "null" || text.lowercased() == "none" { return false }
        if let meaning, meaning != .reason(.stop), meaning != .unknown { return true }
        let new = FinishMeaning(String(text))
        // A plain stop adds nothing to the server's own word.
        if meaning == .unknown, new == .reason(.stop) { return true }
        meaning = new
        word = String(text.prefix(UpstreamLimits.maxFinishWordCharacters))
        return true
    }

    /// The final finish reason, once the body has ended.
    /// - Parameter words: the dialect's own words; any other is also reported to the sink.
    func reason<Sink: ModelSink>(words: [String], into sink: Sink) throws(UpstreamFault) -> FinishReason {
        guard let meaning else { throw .truncated }
        switch meaning {
        case .failure:
            throw .inBand(UpstreamErrorObject(message: "it ended the answer with the finish reason \"\(word)\""))
        case .reason(let reason):
            if !words.contains(word) { sink.noteFinish(word: word) }
            return reason
        case .unknown:
            sink.noteFinish(word: word)
            return .stop
        }
    }
}

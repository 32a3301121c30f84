public import JSON

// The response object of the Responses API. The core needs it only for a session's state, which contains the active response.
extension ResponseState {
    /// Writes the response object: OpenAI's members, and all that Open Responses requires.
    public func write(_ header: ResponseHeader, to writer: inout JSONObjectWriter) {
        let parameters = header.parameters
        let members = parameters.members
        func echo(_ name: StaticString, _ key: String, _ missing: JSONValue, to writer: inout JSONObjectWriter) {
            writer.field(name, members[key] ?? missing)
        }
        writer.field("id", header.id)
        writer.field("object", "response")
        writer.field("created_at", header.createdAt)
        writer.field("status", status.name)
        if let completedAt { writer.field("completed_at", completedAt) } else { writer.null("completed_at") }
        status.writeReasons(to: &writer)
        writer.field("model", parameters.model)
        writer.field("previous_response_id", header.previousResponseID)
        if header.sessionID.hasPrefix(SessionRecord.conversationPrefix) {
            writer.object("conversation") { $0.field("id", header.sessionID) }
        } else {
            writer.null("conversation")
        }
        writer.field("instructions", parameters.instructions)
        writer.array("output") { list in
            for item in output { list.element(item.json) }
        }
        echo("tools", "tools", [], to: &writer)
        echo("tool_choice", "tool_choice", "auto", to: &writer)
        echo("truncation", "truncation", "disabled", to: &writer)
        echo("parallel_tool_calls", "parallel_tool_calls", true, to: &writer)
        echo("text", "text", ["format": ["type": "text"]], to: &writer)
        echo("top_p", "top_p", 1, to: &writer)
        echo("temperature", "temperature", 1, to: &writer)
        echo("presence_penalty", "presence_penalty", 0, to: &writer)
        echo("frequency_penalty", "frequency_penalty", 0, to: &writer)
        echo("top_logprobs", "top_logprobs", 0, to: &writer)
        echo("reasoning", "reasoning", ["effort": .null, "summary": .null], to: &writer)
        echo("user", "user", .null, to: &writer)
        echo("max_output_tokens", "max_output_tokens", .null, to: &writer)
        echo("max_tool_calls", "max_tool_calls", .null, to: &writer)
        echo("store", "store", true, to: &writer)
        echo("background", "background", false, to: &writer)
        echo("service_tier", "service_tier", "default", to: &writer)
        echo("metadata", "metadata", [:], to: &writer)
        echo("safety_identifier", "safety_identifier", .null, to: &writer)
        echo("prompt_cache_key", "prompt_cache_key", .null, to: &writer)
        writeUsage(to: &writer)
        writer.object("interject") {
            $0.field("session_id", header.sessionID)
            $0.field("disconnect", header.policy.text)
            if let usage { $0.field("usage_estimated", usage.isEstimated) }
            route.write(to: &$0)
            let ignored = parameters.ignoredTools
            if !ignored.isEmpty { $0.array("ignored_tools") { list in for type in ignored { list.element(type) } } }
            if let verdict { $0.object("validation") { verdict.write(to: &$0) } }
            $0.object("progress") {
                $0.field("last_sequence_number", lastResponseSequence)
                $0.field("output_tokens", deltaCount)
            }
            if steps.isEmpty { return }
            $0.array("steps") { list in for step in steps { list.object { step.write(to: &$0) } } }
        }
    }

    private func writeUsage(to writer: inout JSONObjectWriter) {
        guard let usage, status.isTerminal else {
            writer.null("usage")
            return
        }
        writer.object("usage") {
            $0.field("input_tokens", usage.inputTokens)
            $0.object("input_tokens_details") {
                $0.field("cached_tokens", usage.cachedTokens)
                $0.field("cache_write_tokens", 0)
            }
            $0.field("output_tokens", usage.outputTokens)
            $0.object("output_tokens_details") { $0.field("reasoning_tokens", usage.reasoningTokens) }
            $0.field("total_tokens", usage.totalTokens)
        }
    }
}

extension Generation.Status {
    /// Writes the members `error` and `incomplete_details` of a response object; each is null if it does not apply.
    public func writeReasons(to writer: inout JSONObjectWriter) {
        if case .failed(let error) = self {
            writer.object("error") {
                $0.field("code", error.code)
                $0.field("message", error.message)
            }
        } else {
            writer.null("error")
        }
        if case .incomplete(let reason) = self {
            writer.object("incomplete_details") { $0.field("reason", reason.rawValue) }
        } else {
            writer.null("incomplete_details")
        }
    }
}

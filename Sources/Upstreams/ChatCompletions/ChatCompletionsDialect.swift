package import JSON
package import Network
package import Sessions

/// OpenAI's `POST {base}/chat/completions`, as Ollama, llama.cpp, vLLM, LM Studio and many others speak it.
package enum ChatCompletionsDialect: Dialect {
    package static let path = "/chat/completions"

    package static func body(
        of request: ModelRequest, model: String, to upstream: UpstreamConfiguration
    ) throws(GenerationError) -> JSONObject {
        var body = JSONObject()
        body["model"] = .string(model)
        body["messages"] = .array(Conversation(request).turns.map { message($0, to: upstream) })
        body["stream"] = true
        body["stream_options"] = ["include_usage": true]
        for (name, value) in try members(of: request.parameters, to: upstream) where body[name] == nil { body[name] = value }
        return body
    }

    package static func authorize(
        _ request: inout HTTPClientRequest, _ upstream: UpstreamConfiguration
    ) throws(GenerationError) {
        try request.set("User-Agent", "interject")
        if let key = upstream.key { try request.set("Authorization", "Bearer \(key)") }
    }

    /// A base URL of a host alone means its `/v1`.
    package static func url(_ upstream: UpstreamConfiguration, _ path: String) -> String {
        let base = upstream.trimmedBaseURL(without: ["/chat/completions"])
        let afterScheme = base.firstRange(of: "://").map { base[$0.upperBound...] } ?? base[...]
        return afterScheme.contains("/") ? base + path : base + "/v1" + path
    }

    // MARK: Messages

    private static func message(_ turn: Conversation.Turn, to upstream: UpstreamConfiguration) -> JSONValue {
        if let verbatim = turn.verbatim { return verbatim }
        var message = JSONObject()
        switch turn.role {
        // Only OpenAI knows developers; their instructions are the system's elsewhere.
        case .developer where !upstream.isOpenAI: message["role"] = "system"
        default: message["role"] = .string(turn.role.rawValue)
        }
        message["content"] = turn.parts.isEmpty && !turn.toolCalls.isEmpty ? nil as JSONValue : content(turn)
        if !turn.toolCalls.isEmpty { message["tool_calls"] = .array(turn.toolCalls.map(toolCall)) }
        if let callID = turn.callID { message["tool_call_id"] = .string(callID) }
        return .object(message)
    }

    private static func content(_ turn: Conversation.Turn) -> JSONValue {
        if let text = turn.plainText { return .string(text) }
        return .array(turn.parts.map(part))
    }

    private static func part(_ part: Conversation.Part) -> JSONValue {
        switch part {
        case .text(let text): return ["type": "text", "text": .string(text)]
        case .image(let url, let detail):
            var image: JSONObject = ["url": .string(url)]
            if let detail { image["detail"] = .string(detail) }
            return ["type": "image_url", "image_url": .object(image)]
        case .file(let file): return ["type": "file", "file": .object(file)]
        case .other(let value): return value
        }
    }

    private static func toolCall(_ call: Conversation.ToolCall) -> JSONValue {
        [
            "id": .string(call.id), "type": "function",
            "function": ["name": .string(call.name), "arguments": .string(call.arguments)],
        ]
    }
}

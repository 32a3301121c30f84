import JSON
package import Network
package import Sessions

/// OpenAI's `POST {base}/chat/completions`, also spoken by Ollama, llama.cpp, vLLM, LM Studio and many others.
package enum ChatCompletionsDialect: Dialect {
    package static let path = "/chat/completions"

    package static func body(
        of request: ModelRequest, model: String, to upstream: UpstreamConfiguration, prefill: PrefillWay
    ) throws(GenerationError) -> UpstreamBody {
        var body = JSONObject()
        body["model"] = .string(model)
        let conversation = try ChatMessages(request, to: upstream, prefills: prefill != .prompt)
        body["messages"] = .array(conversation.messages)
        body["stream"] = true
        body["stream_options"] = ["include_usage": true]
        for (name, value) in try members(of: request.parameters, to: upstream) where body[name] == nil { body[name] = value }
        if let continuation = conversation.continuation {
            // The client's own values refer to the messages that it sent.
            let isOpenEnded = continuation.isPrefilled && prefill == .continueFinalMessage
            body["continue_final_message"] = isOpenEnded ? true : nil
            body["add_generation_prompt"] = isOpenEnded ? false : nil
        }
        return UpstreamBody(members: body, continuation: conversation.continuation)
    }

    package static func authorize(
        _ request: inout HTTPClientRequest, _ upstream: UpstreamConfiguration
    ) throws(GenerationError) {
        try request.set("User-Agent", "interject")
        if let key = upstream.key { try request.set("Authorization", "Bearer \(key)") }
    }

    /// A base URL without a path gets `/v1`.
    package static func url(_ upstream: UpstreamConfiguration, _ path: String) -> String {
        upstream.url(without: ["/chat/completions"]) { base in
            let afterScheme = base.firstRange(of: "://").map { base[$0.upperBound...] } ?? base[...]
            return afterScheme.contains("/") ? base + path : base + "/v1" + path
        }
    }
}

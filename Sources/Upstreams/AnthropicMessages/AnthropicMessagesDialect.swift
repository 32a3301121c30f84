import JSON
package import Network
package import Sessions

/// Anthropic's `POST {base}/v1/messages`.
package enum AnthropicMessagesDialect: Dialect {
    /// The protocol version, sent as `anthropic-version`.
    static let version = "2023-06-01"
    package static let path = "/messages"

    package static func body(
        of request: ModelRequest, model: String, to upstream: UpstreamConfiguration, prefill: PrefillWay
    ) throws(GenerationError) -> UpstreamBody {
        var body = JSONObject()
        body["model"] = .string(model)
        let conversation = try AnthropicConversation(request, upstream, prefills: prefill != .prompt)
        body["system"] = conversation.system
        body["messages"] = conversation.messages
        body["stream"] = true
        for (name, value) in try AnthropicParameters(request.parameters, upstream).members() { body[name] = value }
        return UpstreamBody(members: body, continuation: conversation.continuation)
    }

    package static func authorize(
        _ request: inout HTTPClientRequest, _ upstream: UpstreamConfiguration
    ) throws(GenerationError) {
        try request.set("User-Agent", "interject")
        try request.set("anthropic-version", version)
        if let key = upstream.key { try request.set("x-api-key", key) }
    }

    package static func url(_ upstream: UpstreamConfiguration, _ path: String) -> String {
        upstream.url(without: ["/messages", "/v1"]) { $0 + "/v1" + path }
    }
}

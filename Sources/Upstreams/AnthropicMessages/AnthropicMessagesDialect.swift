package import JSON
package import Network
package import Sessions

/// Anthropic's `POST {base}/v1/messages`.
package enum AnthropicMessagesDialect: Dialect {
    /// The version of the protocol that we speak; sent as `anthropic-version`.
    static let version = "2023-06-01"
    /// `max_tokens` must be there; this when the client says nothing.
    package static let defaultMaxTokens = 4096

    package static let path = "/messages"

    package static func body(
        of request: ModelRequest, model: String, to upstream: UpstreamConfiguration
    ) throws(GenerationError) -> JSONObject {
        var body = JSONObject()
        body["model"] = .string(model)
        let conversation = try AnthropicConversation(request, upstream)
        body["system"] = conversation.system
        body["messages"] = conversation.messages
        body["stream"] = true
        for (name, value) in try members(of: request.parameters, to: upstream) { body[name] = value }
        return body
    }

    package static func authorize(
        _ request: inout HTTPClientRequest, _ upstream: UpstreamConfiguration
    ) throws(GenerationError) {
        try request.set("User-Agent", "interject")
        try request.set("anthropic-version", version)
        if let key = upstream.key { try request.set("x-api-key", key) }
    }

    package static func url(_ upstream: UpstreamConfiguration, _ path: String) -> String {
        upstream.trimmedBaseURL(without: ["/messages", "/v1"]) + "/v1" + path
    }

    // MARK: Parameters

    /// The members of the body beside the conversation, from a Responses or a Chat Completions request.
    /// Unknown ones are left out: this API refuses them.
    private static func members(
        of parameters: ResponseParameters, to upstream: UpstreamConfiguration
    ) throws(GenerationError) -> JSONObject {
        let source = parameters.chatMembers ?? parameters.members
        func given(_ names: String...) -> JSONValue? {
            for name in names { if let value = source[name], !value.isNull { return value } }
            return nil
        }
        var members = JSONObject()
        members["max_tokens"] = given("max_output_tokens", "max_completion_tokens", "max_tokens") ?? JSONValue(defaultMaxTokens)
        for name in ["temperature", "top_p", "top_k", "thinking"] { members[name] = given(name) }
        switch given("stop", "stop_sequences") {
        case .string(let stop)?: members["stop_sequences"] = [.string(stop)]
        case let stops?: members["stop_sequences"] = stops
        case nil: break
        }
        if let user = given("user") { members["metadata"] = ["user_id": user] }
        guard let tools = given("tools")?.array, !tools.isEmpty else { return members }
        var translated: [JSONValue] = []
        for tool in tools { translated.append(try self.tool(tool, upstream)) }
        members["tools"] = .array(translated)
        members["tool_choice"] = toolChoice(given("tool_choice"), isParallel: given("parallel_tool_calls")?.bool ?? true)
        return members
    }

    /// Flat as in Responses or nested as in Chat Completions.
    private static func tool(_ tool: JSONValue, _ upstream: UpstreamConfiguration) throws(GenerationError) -> JSONValue {
        guard tool["type"]?.string == "function" else {
            throw .unsupported("tool of type \(tool["type"]?.string ?? "(none)")", by: upstream)
        }
        let function = tool["function"] ?? tool
        var result: JSONObject = ["name": function["name"] ?? ""]
        if let description = function["description"], !description.isNull { result["description"] = description }
        let schema = function["parameters"]
        result["input_schema"] = schema?.object == nil ? ["type": "object"] : schema
        return .object(result)
    }

    private static func toolChoice(_ choice: JSONValue?, isParallel: Bool) -> JSONValue? {
        var result: JSONObject
        switch choice {
        case .string("none")?: return ["type": "none"]
        case .string("required")?: result = ["type": "any"]
        case .object(let object)?:
            guard let name = object["name"] ?? object["function"]?["name"] else { return nil }
            result = ["type": "tool", "name": name]
        default:
            if isParallel { return nil }
            result = ["type": "auto"]
        }
        if !isParallel { result["disable_parallel_tool_use"] = true }
        return .object(result)
    }
}

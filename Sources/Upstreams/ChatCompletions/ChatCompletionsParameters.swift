import JSON
import Sessions

extension ChatCompletionsDialect {
    /// Set for each upstream request. `n` is dropped: a session has one answer at a time, and further choices would be billed for
    /// nothing.
    private static let ownMembers: Set<String> = ["model", "messages", "stream", "stream_options", "interject", "n"]

    /// Members of a Responses request that have no meaning in Chat Completions, or are translated below.
    private static let responsesMembers: Set<String> = [
        "input", "instructions", "previous_response_id", "conversation", "store", "background", "background_options", "include",
        "truncation", "metadata", "max_tool_calls", "prompt", "context_management", "moderation", "top_logprobs", "type",
        "event_id", "stream_id", "generate", "text", "reasoning", "tools", "tool_choice", "max_output_tokens", "participant",
        "mode", "client_event_id", "disconnect",
    ]
    /// Members that only OpenAI's own servers accept and that have no visible effect on the answer.
    private static let openAIMembers: Set<String> = [
        "safety_identifier", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention",
    ]

    /// The members of the request body other than the model and the messages. Unknown members are passed on unchanged.
    static func members(
        of parameters: ResponseParameters, to upstream: UpstreamConfiguration
    ) throws(GenerationError) -> JSONObject {
        var members = JSONObject()
        if let chat = parameters.chatMembers {
            for (name, value) in chat where !ownMembers.contains(name) { members[name] = value }
            return members
        }
        let source = parameters.members
        for (name, value) in source {
            if value.isNull || ownMembers.contains(name) || responsesMembers.contains(name) { continue }
            if openAIMembers.contains(name), !upstream.isOpenAI { continue }
            // The default of every server need not be sent.
            if name == "service_tier", !upstream.isOpenAI, value == "auto" || value == "default" { continue }
            members[name] = value
        }
        if let limit = source["max_output_tokens"], !limit.isNull {
            // OpenAI's newer models reject the old name; other servers do not know the new one.
            members[upstream.isOpenAI ? "max_completion_tokens" : "max_tokens"] = limit
        }
        if let effort = source["reasoning"]?["effort"], !effort.isNull { members["reasoning_effort"] = effort }
        if let verbosity = source["text"]?["verbosity"], !verbosity.isNull { members["verbosity"] = verbosity }
        if let format = source["text"]?["format"] { members["response_format"] = responseFormat(format) }
        let tools = (source["tools"]?.array ?? []).compactMap(tool)
        if !tools.isEmpty {
            members["tools"] = .array(tools)
            if let choice = source["tool_choice"], !choice.isNull { members["tool_choice"] = toolChoice(choice) }
        } else {
            // Rejected in a request without tools.
            members["parallel_tool_calls"] = nil
        }
        return members
    }

    /// nil for plain text, the default.
    private static func responseFormat(_ format: JSONValue) -> JSONValue? {
        switch format["type"]?.string {
        case "json_schema"?:
            var schema = JSONObject()
            for name in ["name", "description", "schema", "strict"] {
                if let value = format[name], !value.isNull { schema[name] = value }
            }
            return ["type": "json_schema", "json_schema": .object(schema)]
        case "text"?, nil: return nil
        default: return format
        }
    }

    /// Converts a tool from the flat form of Responses to the nested one; nil unless the client executes it.
    private static func tool(_ tool: JSONValue) -> JSONValue? {
        guard let type = tool["type"]?.string, ResponseParameters.clientTools.contains(type) else { return nil }
        if tool[type] != nil { return tool }
        var inner = JSONObject()
        for (name, value) in tool.object ?? [:] where name != "type" && !value.isNull { inner[name] = value }
        var outer: JSONObject = ["type": .string(type)]
        outer[type] = .object(inner)
        return .object(outer)
    }

    private static func toolChoice(_ choice: JSONValue) -> JSONValue {
        guard let type = choice["type"]?.string else { return choice }
        if type == "allowed_tools", choice["allowed_tools"] == nil {
            let tools = (choice["tools"]?.array ?? []).map(toolChoice)
            return [
                "type": "allowed_tools", "allowed_tools": ["mode": choice["mode"] ?? "auto", "tools": .array(tools)],
            ]
        }
        guard let name = choice["name"] else { return choice }
        var outer: JSONObject = ["type": .string(type)]
        outer[type] = ["name": name]
        return .object(outer)
    }
}

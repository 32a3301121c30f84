import Bytes
import JSON
import Sessions

/// The members of an Anthropic request other than the conversation, translated from a Responses or Chat Completions request.
///
/// Anthropic rejects unknown members. A parameter without an equivalent is therefore rejected here, with its name; it is dropped
/// only if it has no visible effect on the answer.
struct AnthropicParameters {
    /// `max_tokens` is required; the value for requests without a limit.
    static let defaultMaxTokens = 4096
    /// Far above any model's budget, so a larger value is a mistake. Bounded so that a limit above it remains representable.
    static let maxThinkingTokens = 1 << 32
    /// Passed on unchanged.
    private static let native: Set<String> = ["temperature", "top_p", "top_k", "thinking", "output_config", "cache_control"]
    /// Translated below.
    private static let translated: Set<String> = [
        "max_output_tokens", "max_completion_tokens", "max_tokens", "stop", "stop_sequences", "user", "tools", "tool_choice",
        "parallel_tool_calls", "functions", "function_call",
    ]
    /// Dropped: members of our own APIs, and those without a visible effect on the answer.
    private static let silent: Set<String> = [
        "model", "messages", "input", "instructions", "stream", "stream_options", "interject", "store", "metadata", "background",
        "conversation", "previous_response_id", "include", "truncation", "max_tool_calls", "safety_identifier", "prompt_cache_key",
        "prompt_cache_retention", "prompt_cache_options", "type", "event_id", "stream_id", "generate", "participant", "mode",
        "client_event_id", "disconnect", "n", "modalities", "rehearsal",
    ]

    private let source: JSONObject
    private let isChat: Bool
    private let upstream: UpstreamConfiguration

    init(_ parameters: ResponseParameters, _ upstream: UpstreamConfiguration) {
        source = parameters.chatMembers ?? parameters.members
        isChat = parameters.chatMembers != nil
        self.upstream = upstream
    }

    func members() throws(GenerationError) -> JSONObject {
        var members = JSONObject()
        members["max_tokens"] = try maxTokens()
        for (name, value) in source where !value.isNull {
            if Self.native.contains(name) {
                members[name] = value
            } else if !Self.translated.contains(name), !Self.silent.contains(name), Self.hasEffect(name, value) {
                throw unsupported("the member '\(name.prefix(80))'", param: name, code: "unsupported_parameter")
            }
        }
        switch given("stop", "stop_sequences") {
        case .string(let stop)?: members["stop_sequences"] = [.string(stop)]
        case let stops?: members["stop_sequences"] = stops
        case nil: break
        }
        if let user = given("user") { members["metadata"] = ["user_id": user] }
        try addTools(to: &members)
        return members
    }

    private func given(_ names: String...) -> JSONValue? {
        for name in names { if let value = source[name], !value.isNull { return value } }
        return nil
    }

    private func unsupported(_ what: String, param: String, code: String = "unsupported_value") -> GenerationError {
        .unsupported(what, by: upstream, param: param, code: code)
    }

    /// The client's limit covers the visible answer. The thinking budget is added to it, since Anthropic requires `max_tokens` to
    /// exceed the budget.
    private func maxTokens() throws(GenerationError) -> JSONValue {
        let limit = given("max_output_tokens", "max_completion_tokens", "max_tokens") ?? JSONValue(Self.defaultMaxTokens)
        guard let given = source["thinking"]?["budget_tokens"], !given.isNull else { return limit }
        guard let number = given.double, let budget = Int(exactly: number), (1...Self.maxThinkingTokens).contains(budget) else {
            throw GenerationError(
                code: "invalid_value",
                message: "'thinking.budget_tokens' must be an integer between 1 and \(Self.maxThinkingTokens).", status: 400,
                type: "invalid_request_error", param: "thinking.budget_tokens")
        }
        guard let count = limit.double, count <= Double(budget) else { return limit }
        return JSONValue(budget.saturatingAdding(max(1, Int(saturating: count))))
    }

    /// Whether a member that Anthropic lacks requests anything at all.
    private static func hasEffect(_ name: String, _ value: JSONValue) -> Bool {
        switch name {
        case "response_format": return value["type"]?.string != "text"
        case "text":
            let format = value["format"]?["type"]?.string ?? "text"
            return format != "text" || !["medium", nil].contains(value["verbosity"]?.string)
        case "verbosity": return value != "medium"
        case "reasoning": return ![nil, "none"].contains(value["effort"]?.string)
        case "reasoning_effort": return value != "none"
        case "service_tier": return value != "auto" && value != "default"
        default: break
        }
        switch value {
        case .null: return false
        case .bool(let isOn): return isOn
        case .string(let text): return !text.isEmpty
        case .array(let list): return !list.isEmpty
        case .object(let object): return !object.isEmpty
        case .number: return value.double != 0
        }
    }

    // MARK: Tools

    private func addTools(to members: inout JSONObject) throws(GenerationError) {
        // `functions` predate `tools` and have no envelope.
        let isOld = source["tools"]?.array?.isEmpty ?? true
        let list = source[isOld ? "functions" : "tools"]?.array ?? []
        let allowed = allowedNames
        var tools: [JSONValue] = []
        for (index, tool) in list.enumerated() {
            let type = isOld ? "function" : tool["type"]?.string ?? "(none)"
            if type != "function" {
                if !ResponseParameters.clientTools.contains(type), !isChat { continue }
                throw unsupported("tools of type \(type.prefix(80))", param: "tools[\(index)]")
            }
            let translated = Self.tool(tool)
            if let allowed, !allowed.contains(translated["name"]?.string ?? "") { continue }
            tools.append(translated)
        }
        if tools.isEmpty { return }
        members["tools"] = .array(tools)
        let choice = given(isOld ? "function_call" : "tool_choice")
        members["tool_choice"] = try toolChoice(choice, isParallel: given("parallel_tool_calls")?.bool ?? true)
    }

    /// Converts a tool from the flat form of Responses or the nested form of Chat Completions.
    private static func tool(_ tool: JSONValue) -> JSONValue {
        let function = tool["function"] ?? tool
        var result: JSONObject = ["name": function["name"] ?? ""]
        if let description = function["description"], !description.isNull { result["description"] = description }
        let schema = function["parameters"]
        result["input_schema"] = schema?.object == nil ? ["type": "object"] : schema
        if let mark = tool["cache_control"] ?? function["cache_control"], !mark.isNull { result["cache_control"] = mark }
        return .object(result)
    }

    /// Names in an `allowed_tools` choice. Anthropic has no such choice, so the other tools are omitted from the request.
    private var allowedNames: Set<String>? {
        guard let choice = source["tool_choice"], choice["type"]?.string == "allowed_tools" else { return nil }
        let tools = (choice["allowed_tools"] ?? choice)["tools"]?.array ?? []
        return Set(tools.compactMap { ($0["name"] ?? $0["function"]?["name"])?.string })
    }

    private func toolChoice(_ choice: JSONValue?, isParallel: Bool) throws(GenerationError) -> JSONValue? {
        var result: JSONObject
        switch choice {
        case .string("none")?: return ["type": "none"]
        // `any` is the word of Anthropic and Mistral.
        case .string("required")?, .string("any")?: result = ["type": "any"]
        case .object(let object)?:
            if object["type"]?.string == "allowed_tools" {
                let mode = (object["allowed_tools"]?["mode"] ?? object["mode"])?.string
                result = ["type": mode == "required" ? "any" : "auto"]
            } else if let name = object["name"] ?? object["function"]?["name"] {
                result = ["type": "tool", "name": name]
            } else {
                throw unsupported(
                    "the choice of a tool of type \(object["type"]?.string?.prefix(80) ?? "(none)")", param: "tool_choice")
            }
        default:
            if isParallel { return nil }
            result = ["type": "auto"]
        }
        if !isParallel { result["disable_parallel_tool_use"] = true }
        return .object(result)
    }
}

import API
import JSON
import ResponsesWire
import Sessions

/// The body of `POST /v1/chat/completions`, validated.
struct ChatRequest: InputRequest {
    var items: [Item]
    /// The items as encoded for their event, if they are many or large.
    var encoded: EncodedItems?
    var parameters: ResponseParameters
    var isStream: Bool
    var includesUsage: Bool
    var isStored: Bool
    var extensions: InterjectMembers
    /// Whether the request has `functions` instead of tools, so that calls are sent as `function_call`.
    var usesFunctions: Bool

    /// Members that are rewritten for the upstream, or are the server's own.
    private static let ownMembers: Set<String> = ["model", "messages", "stream", "stream_options", "interject", "store"]
    private static let roles: Set<String> = ["user", "assistant", "system", "developer", "tool", "function"]

    init(_ body: JSONObject) throws(RequestError) {
        try RequestBounds.check(body)
        guard let model = try body.optionalString("model"), !model.isEmpty else {
            throw .invalid("'model' is missing.", param: "model", code: "missing_required_parameter")
        }
        guard let messages = body["messages"]?.array, !messages.isEmpty else {
            throw .invalid(
                "'messages' must be an array of at least one message.", param: "messages", code: "missing_required_parameter")
        }
        try RequestMembers.check(chat: body)
        isStream = try body.optionalBool("stream") ?? false
        isStored = try body.optionalBool("store") ?? false
        includesUsage = try body.optionalObject("stream_options")?.optionalBool("include_usage") ?? false
        extensions = try InterjectMembers(body["interject"])
        usesFunctions = body["functions"]?.array?.isEmpty == false && body["tools"]?.array?.isEmpty ?? true
        items = []
        for (index, message) in messages.enumerated() { items.append(try Self.item(message, param: "messages[\(index)]")) }
        try body.checkNumber("temperature", 0...2)
        try body.checkNumber("top_p", 0...1)
        var members = JSONObject()
        for (key, value) in body where !Self.ownMembers.contains(key) { members[key] = value }
        try ResponsesRequest.checkFormat(Self.format(body["response_format"]), param: "response_format")
        parameters = ResponseParameters(model: model, members: Self.responseMembers(body), chatMembers: members)
    }

    /// The request as a command to a session.
    func submit(_ id: String, policy: DisconnectPolicy) -> SessionCommand.Submit {
        var submit = SessionCommand.Submit(new, responseID: id, parameters: .whole(parameters))
        submit.mode = extensions.mode ?? .queue
        submit.policy = policy
        return submit
    }

    /// The error with this face's name for the input.
    static func inItsWords(_ error: APIError) -> APIError {
        var error = error.renamingParam("input", to: "messages")
        if let param = error.param, param.hasSuffix("].call_id") { error.param = param.dropLast(7) + "tool_call_id" }
        return error
    }

    /// The message as a conversation item: readable for other clients of the session, with the original message for the upstream.
    private static func item(_ message: JSONValue, param: String) throws(RequestError) -> Item {
        guard let object = message.object else { throw .invalid("'\(param)' must be an object.", param: param) }
        guard let role = try object.optionalString("role"), roles.contains(role) else {
            throw .invalid(
                "'\(param).role' must be one of \(roles.sorted().joined(separator: ", ")).", param: param + ".role",
                code: "invalid_value")
        }
        let body: JSONObject
        if role == "tool" {
            guard let callID = try object.optionalString("tool_call_id") else {
                throw .invalid(
                    "'\(param).tool_call_id' must be the id of the call that it answers.", param: param + ".tool_call_id",
                    code: "missing_required_parameter")
            }
            body = ["type": "function_call_output", "call_id": .string(callID), "output": object["content"] ?? ""]
        } else if role == "function" {
            guard let name = try object.optionalString("name") else {
                throw .invalid("'\(param).name' must be a string.", param: param + ".name", code: "missing_required_parameter")
            }
            body = [
                "type": "function_call_output", "call_id": .string(Item.functionCallID(name)), "output": object["content"] ?? "",
            ]
        } else {
            var message: JSONObject = ["type": "message", "role": .string(role), "content": content(object["content"], role: role)]
            if role == "user", let name = try object.optionalString("name") { message["name"] = .string(name) }
            body = message
        }
        return Item(id: Identifier.make("msg_"), body: body, chatMessage: message)
    }

    private static func content(_ value: JSONValue?, role: String) -> JSONValue {
        let textType: JSONValue = role == "assistant" ? "output_text" : "input_text"
        switch value {
        case .string(let text)?: return [["type": textType, "text": .string(text)]]
        case .array(let parts)?:
            return .array(
                parts.map { part in
                    switch part["type"]?.string {
                    case "text"?: ["type": textType, "text": part["text"] ?? ""]
                    case "image_url"?: ["type": "input_image", "image_url": part["image_url"]?["url"] ?? .null]
                    default: part
                    }
                })
        default: return []
        }
    }

    /// The format of the text in the flat form of Responses.
    private static func format(_ format: JSONValue?) -> JSONValue? {
        switch format?["type"]?.string {
        case "json_object"?: return ["type": "json_object"]
        case "json_schema"?:
            // Other servers' own forms are passed on without validation.
            guard let nested = format?["json_schema"]?.object, nested["schema"] != nil else { return nil }
            var flat: JSONObject = ["type": "json_schema"]
            for (name, value) in nested { flat[name] = value }
            return .object(flat)
        default: return nil
        }
    }

    /// The parameters as shown in the response object.
    private static func responseMembers(_ body: JSONObject) -> JSONObject {
        var members = JSONObject()
        let shown = [
            "temperature", "top_p", "presence_penalty", "frequency_penalty", "metadata", "user", "parallel_tool_calls",
            "service_tier",
        ]
        for key in shown { members[key] = body[key] }
        members["max_output_tokens"] = body["max_completion_tokens"] ?? body["max_tokens"]
        if let format = format(body["response_format"]) { members["text"] = ["format": format] }
        return members
    }
}

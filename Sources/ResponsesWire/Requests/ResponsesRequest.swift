package import JSON
package import Sessions

/// The body of `POST /v1/responses` and of `response.create`, validated.
package struct ResponsesRequest: InputRequest {
    /// The input.
    package var items: [Item]
    /// The items as encoded for their event, if they are many or large.
    package var encoded: EncodedItems?
    /// The parameters of the response.
    package var parameters: ResponseParameters
    /// Whether the response is streamed.
    package var isStream: Bool
    /// Whether the response is stored (`store`).
    package var isStored: Bool
    /// Whether the response continues without its client, and the request does not wait for its end (`background`).
    package var isBackground: Bool
    /// Whether no response is generated (`generate: false`).
    package var isWarmUp: Bool
    /// The response that the input continues.
    package var previousResponseID: String?
    /// The members of `interject`.
    package var extensions: InterjectMembers

    /// Whether the input continues a conversation.
    package var continuesSomething: Bool { previousResponseID != nil || extensions.sessionID != nil }

    /// The request as a command to a session.
    /// - Parameters:
    ///   - isStored: whether a branch for the input outlives its listeners.
    ///   - isDurable: whether the input is stored.
    package func submit(_ responseID: String, policy: DisconnectPolicy, isStored: Bool, isDurable: Bool) -> SessionCommand.Submit {
        var submit = SessionCommand.Submit(new, responseID: responseID, parameters: .whole(parameters))
        // OpenAI's own operations wait for a running response by default, as its clients expect.
        submit.mode = extensions.mode ?? .queue
        submit.policy = policy
        submit.isWarmUp = isWarmUp
        submit.continuation = previousResponseID.map {
            SessionCommand.Submit.Continuation(of: $0, isStored: isStored, isDurable: isDurable)
        }
        return submit
    }

    /// Members that the server handles itself; all others are echoed and passed to the upstream.
    private static let ownMembers: Set<String> = [
        "input", "stream", "stream_options", "previous_response_id", "interject", "model", "instructions", "type", "stream_id",
        "generate", "event_id", "conversation",
    ]

    /// Parses and validates a body.
    /// - Parameters:
    ///   - defaultModel: the model of a request that names none.
    ///   - inputIsOptional: whether `input` may be missing.
    package init(_ body: JSONObject, defaultModel: String? = nil, inputIsOptional: Bool = false) throws(RequestError) {
        try RequestBounds.check(body)
        let model = try body.optionalString("model") ?? defaultModel
        guard let model, !model.isEmpty else {
            throw .invalid("'model' is missing.", param: "model", code: "missing_required_parameter")
        }
        isStream = try body.optionalBool("stream") ?? false
        isStored = try body.optionalBool("store") ?? true
        isWarmUp = try body.optionalBool("generate").map { !$0 } ?? false
        previousResponseID = try body.optionalString("previous_response_id")
        isBackground = try body.optionalBool("background") ?? false
        if isBackground, !isStored {
            throw .invalid(
                "'background' needs 'store': the answer must be kept until it is fetched.", param: "background",
                code: "invalid_value")
        }
        if let input = body["input"], !input.isNull {
            items = try InputItems.parse(input)
        } else if inputIsOptional || isWarmUp {
            items = []
        } else {
            throw .invalid("'input' is missing.", param: "input", code: "missing_required_parameter")
        }
        let instructions = try body.optionalString("instructions")
        var members = JSONObject()
        for (key, value) in body where !Self.ownMembers.contains(key) && !value.isNull { members[key] = value }
        try Self.check(members)
        try RequestMembers.checkStreamOptions(body["stream_options"])
        parameters = ResponseParameters(model: model, instructions: instructions, members: members)
        extensions = try InterjectMembers(body["interject"])
        if isBackground { extensions.policy = .continuing }
        if let conversation = try Self.conversation(body["conversation"]) {
            guard previousResponseID == nil, extensions.sessionID == nil else {
                throw .invalid(
                    "'conversation' excludes 'previous_response_id' and 'interject.session_id': each names where it goes on.",
                    param: "conversation", code: "mutually_exclusive_parameters")
            }
            extensions.sessionID = conversation
        }
    }

    /// An identifier, or an object that contains it.
    private static func conversation(_ value: JSONValue?) throws(RequestError) -> String? {
        guard let value, !value.isNull else { return nil }
        guard let id = value.string ?? value["id"]?.string, id.hasPrefix(SessionRecord.conversationPrefix) else {
            throw .invalid(
                "'conversation' must be the id of a conversation, 'conv_…', or an object with it.", param: "conversation",
                code: "invalid_value")
        }
        return id
    }

    /// Validates the format of the text, as in Responses: the server validates the response against it.
    package static func checkFormat(_ format: JSONValue?, param: String) throws(RequestError) {
        guard let format, !format.isNull else { return }
        switch format["type"]?.string {
        case "text"?, "json_object"?: return
        case "json_schema"?: break
        default:
            throw .invalid(
                "'\(param).type' must be one of text, json_object, json_schema.", param: param + ".type", code: "invalid_value")
        }
        guard let name = format["name"]?.string, (1...64).contains(name.utf8.count), name.utf8.allSatisfy(\.isOfAName) else {
            throw .invalid(
                "'\(param).name' must be 1 to 64 letters, digits, '_' or '-'.", param: param + ".name", code: "invalid_value")
        }
        guard format["schema"]?.object != nil else {
            throw .invalid("'\(param).schema' must be an object.", param: param + ".schema", code: "missing_required_parameter")
        }
        do {
            _ = try OutputFormat(format)
        } catch {
            throw .invalid(
                "Invalid schema for response_format '\(name)': \(error)", param: param + ".schema", code: "invalid_json_schema")
        }
    }

    /// Validates members with values that an upstream would refuse or, worse, misinterpret.
    package static func check(_ members: JSONObject) throws(RequestError) {
        try members.checkNumber("temperature", 0...2)
        try members.checkNumber("top_p", 0...1)
        try members.checkNumber("presence_penalty", -2...2)
        try members.checkNumber("frequency_penalty", -2...2)
        if let value = members["max_output_tokens"] {
            guard let count = value.int, count > 0 else {
                throw .invalid("'max_output_tokens' must be a whole number above 0.", param: "max_output_tokens")
            }
        }
        try RequestMembers.check(responses: members)
        if let text = members["text"] { try checkFormat(text["format"], param: "text.format") }
        if let tools = members["tools"], tools.array == nil { throw .invalid("'tools' must be an array.", param: "tools") }
        try RequestBounds.checkMetadata(members["metadata"])
    }
}

extension UInt8 {
    /// Whether the byte may occur in the name of a format.
    fileprivate var isOfAName: Bool {
        switch self {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
            UInt8(ascii: "_"), UInt8(ascii: "-"):
            true
        default: false
        }
    }
}

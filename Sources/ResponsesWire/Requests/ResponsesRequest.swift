package import JSON
package import Sessions

/// The body of `POST /v1/responses` and of `response.create`, checked.
package struct ResponsesRequest: InputRequest {
    package var items: [Item]
    /// The items as their event has them, if they are many or large.
    package var encoded: EncodedItems?
    package var parameters: ResponseParameters
    package var isStream: Bool
    package var isStored: Bool
    /// It outlives whoever asked for it, and the answer does not wait for its end.
    package var isBackground: Bool
    package var isWarmUp: Bool
    package var previousResponseID: String?
    package var extensions: InterjectMembers

    /// Whether there is a conversation that it belongs to.
    package var continuesSomething: Bool { previousResponseID != nil || extensions.sessionID != nil }

    /// As a command to a session.
    /// - Parameters:
    ///   - isStored: whether a branch that it goes on in outlives its listeners.
    ///   - isDurable: whether it is committed to the store.
    package func submit(_ responseID: String, policy: DisconnectPolicy, isStored: Bool, isDurable: Bool) -> SessionCommand.Submit {
        var submit = SessionCommand.Submit(new, responseID: responseID, parameters: .whole(parameters))
        // OpenAI's own verbs wait for what runs, as its clients expect, unless they say otherwise.
        submit.mode = extensions.mode ?? .queue
        submit.policy = policy
        submit.isWarmUp = isWarmUp
        submit.continuation = previousResponseID.map {
            SessionCommand.Submit.Continuation(of: $0, isStored: isStored, isDurable: isDurable)
        }
        return submit
    }

    /// Members that the server itself understands; all others are for echo and for the upstream.
    private static let ownMembers: Set<String> = [
        "input", "stream", "stream_options", "previous_response_id", "interject", "model", "instructions", "type", "stream_id",
        "generate", "event_id", "conversation",
    ]

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

    /// An identifier, or an object that has it.
    private static func conversation(_ value: JSONValue?) throws(RequestError) -> String? {
        guard let value, !value.isNull else { return nil }
        guard let id = value.string ?? value["id"]?.string, id.hasPrefix(SessionRecord.conversationPrefix) else {
            throw .invalid(
                "'conversation' must be the id of a conversation, 'conv_…', or an object with it.", param: "conversation",
                code: "invalid_value")
        }
        return id
    }

    /// The format of the answer, as Responses has it: we judge by it, so we must understand it.
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

    /// The members whose wrong values an upstream would refuse, or, worse, would not.
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
    /// Whether the byte may stand in the name of a format.
    fileprivate var isOfAName: Bool {
        switch self {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
            UInt8(ascii: "_"), UInt8(ascii: "-"):
            true
        default: false
        }
    }
}

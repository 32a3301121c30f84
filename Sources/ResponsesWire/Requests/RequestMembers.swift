package import JSON

/// Refuses request members that ask for unsupported features: ignoring them would silently change the response. Values that ask for
/// nothing are accepted.
package enum RequestMembers {
    /// Supported by neither face, whatever the upstream.
    private static let unsupported: Set<String> = [
        "logprobs", "top_logprobs", "prompt_logprobs", "audio", "prompt", "context_management", "background_options", "moderation",
    ]
    /// Values of `include`: the first has an effect; the others never apply, or are always included.
    private static let includable: Set<String> = [
        "reasoning.encrypted_content", "message.input_image.image_url", "web_search_call.action.sources", "web_search_call.results",
        "file_search_call.results", "code_interpreter_call.outputs", "computer_call_output.output.image_url",
    ]

    /// Members common to both faces.
    private static func checkCommon(_ members: JSONObject) throws(RequestError) {
        for (name, value) in members where unsupported.contains(name) && value.asksForSomething {
            throw .unsupported(name)
        }
        if let count = members["n"], !count.isNull, count.int != 1 {
            throw .invalid("Only 'n': 1 is supported: a session has one answer at a time.", param: "n", code: "unsupported_value")
        }
        if let modalities = members["modalities"], !modalities.isNull, modalities != ["text"] {
            throw .invalid("'modalities' can only be [\"text\"].", param: "modalities", code: "unsupported_value")
        }
    }

    /// Checks the members of a Responses request.
    package static func check(responses members: JSONObject) throws(RequestError) {
        try checkCommon(members)
        for (index, entry) in (members["include"]?.array ?? []).enumerated() {
            guard let name = entry.string, includable.contains(name) else {
                throw .invalid(
                    "'include[\(index)]' asks for what is not here: \(entry.description.prefix(80)).", param: "include[\(index)]",
                    code: "unsupported_value")
            }
        }
        if let truncation = members["truncation"], !truncation.isNull, truncation != "disabled" {
            throw .invalid(
                "'truncation' can only be 'disabled': a conversation is sent whole.", param: "truncation", code: "unsupported_value"
            )
        }
        try check(members["reasoning"], knows: ["effort", "summary", "generate_summary"], param: "reasoning")
        try check(members["text"], knows: ["format", "verbosity"], param: "text")
    }

    /// Checks the members of a Chat Completions request.
    package static func check(chat members: JSONObject) throws(RequestError) {
        try checkCommon(members)
        try checkStreamOptions(members["stream_options"])
    }

    /// Checks `stream_options` of either face: only known options are accepted.
    package static func checkStreamOptions(_ options: JSONValue?) throws(RequestError) {
        try check(options, knows: ["include_usage"], param: "stream_options")
    }

    private static func check(_ value: JSONValue?, knows names: Set<String>, param: String) throws(RequestError) {
        for (name, value) in value?.object ?? [:] where !names.contains(name) && value.asksForSomething {
            throw .unsupported("\(param).\(name)")
        }
    }
}

extension RequestError {
    fileprivate static func unsupported(_ name: String) -> RequestError {
        .invalid("'\(name)' is not supported: leave it out.", param: name, code: "unsupported_parameter")
    }
}

extension JSONValue {
    /// Whether the value asks for anything: null, false, 0 and empty values do not.
    package var asksForSomething: Bool {
        switch self {
        case .null: false
        case .bool(let value): value
        case .string(let text): !text.isEmpty
        case .array(let elements): !elements.isEmpty
        case .object(let members): !members.isEmpty
        default: double != 0
        }
    }
}

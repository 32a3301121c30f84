package import JSON
package import Sessions

/// Parses `input` of the Responses API: a string, or items. `Protocols/upstreams.md` lists the treatment of each type.
package enum InputItems {
    /// Maximum number of items in one input.
    package static let maxCount = 10_000

    private static let roles: Set<String> = ["user", "assistant", "system", "developer"]

    /// Parses the items of an input.
    /// - Parameter name: the name of the member in errors.
    package static func parse(_ input: JSONValue, named name: String = "input") throws(RequestError) -> [Item] {
        switch input {
        case .string(let text): return [.userMessage(text)]
        case .array(let values):
            guard values.count <= maxCount else { throw .invalid("'\(name)' has more than \(maxCount) items.", param: name) }
            var items: [Item] = []
            items.reserveCapacity(values.count)
            for (index, value) in values.enumerated() { items.append(try item(value, param: "\(name)[\(index)]")) }
            if items.isEmpty { throw .invalid("'\(name)' must not be empty.", param: name) }
            return items
        default: throw .invalid("'\(name)' must be a string or an array of items.", param: name, code: "invalid_type")
        }
    }

    /// The items of a steer; at least one is required.
    package static func ofSteer(_ body: JSONObject) throws(RequestError) -> [Item] {
        guard let value = body["input"] else { throw .invalid("'input' is missing.", param: "input") }
        return try parse(value)
    }

    private static func item(_ value: JSONValue, param: String) throws(RequestError) -> Item {
        guard var body = value.object else { throw .invalid("'\(param)' must be an object.", param: param, code: "invalid_type") }
        let named = try body.optionalString("id")
        let isCall = body["call_id"] != nil
        for name in ["id", "call_id", "name"] {
            let maxBytes = isCall && name != "id" ? RequestBounds.maxCallNameBytes : RequestBounds.maxNameBytes
            try RequestBounds.checkName(body[name], param: "\(param).\(name)", maxBytes: maxBytes)
        }
        // An empty identifier counts as none.
        let id = named?.isEmpty == true ? nil : named
        // The store's texts end at NUL: the item would come back with another identifier.
        if id?.utf8.contains(0) == true { throw .invalid("'\(param).id' must not contain U+0000.", param: "\(param).id") }
        let status = try body.optionalString("status").flatMap(Item.Status.init) ?? .completed
        body["id"] = nil
        body["status"] = nil
        let type = try body.optionalString("type") ?? "message"
        let prefix: String
        switch type {
        case "message":
            guard let role = try body.optionalString("role"), roles.contains(role) else {
                throw .invalid("'\(param).role' must be one of user, assistant, system, developer.", param: param + ".role")
            }
            body["type"] = "message"
            body["content"] = try InputContent.parts(body["content"], role: role, param: param + ".content")
            if let name = try body.optionalString("name") { try Participant.check(name, param: param + ".name") }
            prefix = "msg_"
        case "function_call":
            try check(body, has: ["call_id", "name", "arguments"], param: param)
            prefix = "fc_"
        case "custom_tool_call":
            try check(body, has: ["call_id", "name", "input"], param: param)
            prefix = "ctc_"
        case "function_call_output", "custom_tool_call_output":
            try check(body, has: ["call_id"], param: param)
            switch body["output"] {
            case .string?: break
            case .array?: body["output"] = try InputContent.parts(body["output"], role: "user", param: param + ".output")
            default: throw .invalid("'\(param).output' must be a string or an array of parts.", param: param + ".output")
            }
            prefix = type == "function_call_output" ? "fco_" : "ctco_"
        case "reasoning":
            _ = try body.optionalString("encrypted_content")
            prefix = "rs_"
        case "item_reference":
            throw .invalid(
                "'\(param)': item references are not supported; send the item itself, or use 'previous_response_id'.", param: param,
                code: "unsupported_value")
        default:
            throw .invalid(
                """
                '\(param)' is of type '\(type.prefix(80))', which no upstream of this server can read: leave it out, or say in a \
                message what it tells.
                """, param: param, code: "unsupported_value")
        }
        return Item(id: id ?? Identifier.make(prefix), status: status, body: body)
    }

    private static func check(_ body: JSONObject, has members: [String], param: String) throws(RequestError) {
        for member in members where body[member]?.string == nil {
            throw .invalid("'\(param).\(member)' must be a string.", param: "\(param).\(member)")
        }
    }
}

/// Parses the content of messages and results: a string, or parts.
package enum InputContent {
    /// The content as an array of parts, each of a type that some upstream supports.
    package static func parts(_ value: JSONValue?, role: String, param: String) throws(RequestError) -> JSONValue {
        switch value {
        case .string(let text)?:
            return [["type": role == "assistant" ? "output_text" : "input_text", "text": .string(text)]]
        case .array(let parts)?:
            for (index, part) in parts.enumerated() { try check(part, param: "\(param)[\(index)]") }
            return .array(parts)
        default: throw .invalid("'\(param)' must be a string or an array of parts.", param: param, code: "invalid_type")
        }
    }

    private static func check(_ part: JSONValue, param: String) throws(RequestError) {
        guard let type = part["type"]?.string else {
            throw .invalid("'\(param).type' must be a string.", param: param + ".type")
        }
        switch type {
        case "input_text", "output_text", "text": try needs(part["text"]?.string, "text", param)
        case "refusal": try needs(part["refusal"]?.string, "refusal", param)
        case "input_image", "image_url":
            if part["file_id"]?.string != nil, part["image_url"]?.isNull ?? true { throw fileID(param) }
            try needs(part["image_url"]?.string ?? part["image_url"]?["url"]?.string, "image_url", param)
        case "input_file", "file":
            let source = part["file"] ?? part
            let hasData = ["file_data", "file_url"].contains { source[$0]?.string?.isEmpty == false }
            if hasData { return }
            if source["file_id"]?.string != nil { throw fileID(param) }
            throw .invalid("'\(param)' must have 'file_data' or 'file_url'.", param: param, code: "missing_required_parameter")
        case "input_audio":
            guard part["input_audio"]?.object != nil else {
                throw .invalid("'\(param).input_audio' must be an object.", param: param + ".input_audio")
            }
        default:
            throw .invalid(
                "'\(param)' is of type '\(type.prefix(80))', which no upstream of this server can read.", param: param,
                code: "unsupported_value")
        }
    }

    private static func needs(_ text: String?, _ member: String, _ param: String) throws(RequestError) {
        if text == nil { throw .invalid("'\(param).\(member)' must be a string.", param: "\(param).\(member)") }
    }

    private static func fileID(_ param: String) -> RequestError {
        .invalid(
            "'\(param).file_id': no upstream here can read a file by its id; send its data as 'image_url' or 'file_data'.",
            param: param, code: "unsupported_value")
    }
}

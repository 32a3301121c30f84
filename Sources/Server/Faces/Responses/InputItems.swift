import JSON
import Sessions

/// Reads `input` of the Responses API: a string, or items.
enum InputItems {
    /// Items in one input, at most.
    static let maxCount = 10_000

    private static let roles: Set<String> = ["user", "assistant", "system", "developer"]

    static func parse(_ input: JSONValue) throws(APIError) -> [Item] {
        switch input {
        case .string(let text): return [.userMessage(text)]
        case .array(let values):
            guard values.count <= maxCount else { throw .invalid("'input' has more than \(maxCount) items.", param: "input") }
            var items: [Item] = []
            items.reserveCapacity(values.count)
            for (index, value) in values.enumerated() { items.append(try item(value, at: index)) }
            if items.isEmpty { throw .invalid("'input' must not be empty.", param: "input") }
            return items
        default: throw .invalid("'input' must be a string or an array of items.", param: "input", code: "invalid_type")
        }
    }

    private static func item(_ value: JSONValue, at index: Int) throws(APIError) -> Item {
        let param = "input[\(index)]"
        guard var body = value.object else { throw .invalid("'\(param)' must be an object.", param: param, code: "invalid_type") }
        let named = try body.optionalString("id")
        // No name is none.
        let id = named?.isEmpty == true ? nil : named
        // The store's texts end there: the item would come back under another name.
        if id?.utf8.contains(0) == true { throw .invalid("'\(param).id' must not contain U+0000.", param: "\(param).id") }
        let status = try body.optionalString("status").flatMap(Item.Status.init) ?? .completed
        body["id"] = nil
        body["status"] = nil
        let type = try body.optionalString("type") ?? "message"
        switch type {
        case "message":
            guard let role = try body.optionalString("role"), roles.contains(role) else {
                throw .invalid("'\(param).role' must be one of user, assistant, system, developer.", param: param + ".role")
            }
            body["type"] = "message"
            body["content"] = try content(body["content"], role: role, param: param + ".content")
            return Item(id: id ?? Identifier.make("msg_"), status: status, body: body)
        case "function_call":
            for member in ["call_id", "name", "arguments"] where body[member]?.string == nil {
                throw .invalid("'\(param).\(member)' must be a string.", param: "\(param).\(member)")
            }
            return Item(id: id ?? Identifier.make("fc_"), status: status, body: body)
        case "function_call_output":
            guard body["call_id"]?.string != nil else {
                throw .invalid("'\(param).call_id' must be a string.", param: param + ".call_id")
            }
            guard body["output"]?.string != nil || body["output"]?.array != nil else {
                throw .invalid("'\(param).output' must be a string or an array of parts.", param: param + ".output")
            }
            return Item(id: id ?? Identifier.make("fco_"), status: status, body: body)
        case "item_reference":
            throw .invalid(
                "'\(param)': item references are not supported; send the item itself, or use 'previous_response_id'.", param: param,
                code: "unsupported_value")
        default:
            return Item(id: id ?? Identifier.make("item_"), status: status, body: body)
        }
    }

    /// Content as an array of parts.
    private static func content(_ value: JSONValue?, role: String, param: String) throws(APIError) -> JSONValue {
        switch value {
        case .string(let text)?:
            return [["type": role == "assistant" ? "output_text" : "input_text", "text": .string(text)]]
        case .array(let parts)?:
            for (index, part) in parts.enumerated() where part["type"]?.string == nil {
                throw .invalid("'\(param)[\(index)].type' must be a string.", param: "\(param)[\(index)].type")
            }
            return .array(parts)
        default: throw .invalid("'\(param)' must be a string or an array of parts.", param: param, code: "invalid_type")
        }
    }
}

public import JSON

/// An item of a conversation, in the form of the Responses API.
public struct Item: Sendable, Equatable {
    /// Whether the item is complete.
    public enum Status: String, Sendable {
        case inProgress = "in_progress"
        case completed, incomplete
    }

    /// Maximum size of a call's identifier or name in bytes: models invent them, and clients send them back.
    public static let maxCallNameBytes = 16 << 10

    /// Such as `msg_…` or `fc_…`.
    public let id: String
    /// Whether the item is complete.
    public var status: Status
    /// The members except `id` and `status`: `type`, and those of the type.
    public var body: JSONObject { didSet { count() } }
    /// The Chat Completions message that the item was made from, passed on verbatim.
    public let chatMessage: JSONValue?

    /// An item with these members.
    public init(id: String, status: Status = .completed, body: JSONObject, chatMessage: JSONValue? = nil) {
        self.id = id
        self.status = status
        self.body = body
        self.chatMessage = chatMessage
        count()
    }

    /// Size of ``text`` in UTF-8. Computed once and without joining the parts, since loops sum it over conversations.
    public private(set) var textByteCount = 0
    /// Approximate size of the item as JSON, in bytes: without escapes, with the original message.
    public private(set) var byteCount = 0

    private mutating func count() {
        textByteCount =
            switch body["content"] {
            case .string(let text)?: text.utf8.count
            case .array(let parts)?:
                parts.reduce(0) { $0 + ($1["text"]?.string?.utf8.count ?? $1["refusal"]?.string?.utf8.count ?? 0) }
            default: 0
            }
        byteCount = body.approximateByteCount + (chatMessage?.approximateByteCount ?? 0) + 64
    }

    /// `message`, `function_call`, `function_call_output`, `custom_tool_call`, `custom_tool_call_output`, `reasoning`, …
    public var type: String { body["type"]?.string ?? "message" }

    /// `user`, `assistant`, `system`, `developer` for messages.
    public var role: String? { body["role"]?.string }

    /// Whether the item is the result of a tool call.
    public var isToolResult: Bool { type == "function_call_output" || type == "custom_tool_call_output" }

    /// A plain-text message from the user.
    public static func userMessage(_ text: String) -> Item {
        Item(
            id: Identifier.make("msg_"),
            body: ["type": "message", "role": "user", "content": [["type": "input_text", "text": .string(text)]]])
    }

    /// The text of a message; its parts joined.
    public var text: String {
        switch body["content"] {
        case .string(let text)?: text
        case .array(let parts)?: parts.compactMap { $0["text"]?.string ?? $0["refusal"]?.string }.joined()
        default: ""
        }
    }

    /// The item with the participant's name, if it is a user's message without a name.
    public func spoken(by participant: Participant) -> Item {
        guard type == "message", role == "user", body["name"] == nil, chatMessage == nil else { return self }
        var item = self
        item.body["name"] = .string(participant.name)
        return item
    }

    /// The item as in the Responses API.
    public var json: JSONValue {
        var object: JSONObject = ["id": .string(id)]
        for (key, value) in body { object[key] = value }
        object["status"] = .string(status.rawValue)
        return .object(object)
    }
}

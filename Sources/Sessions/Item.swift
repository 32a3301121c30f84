public import JSON

/// An item of a conversation, in the shape of the Responses API.
public struct Item: Sendable, Equatable {
    public enum Status: String, Sendable {
        case inProgress = "in_progress"
        case completed, incomplete
    }

    /// Bytes of a call's identifier or name, at most: models make them up, and clients send them back.
    public static let maxCallNameBytes = 16 << 10

    /// For example `msg_…`, `fc_…`.
    public let id: String
    public var status: Status
    /// The item's members without `id` and `status`: `type`, and what belongs to the type.
    public var body: JSONObject { didSet { count() } }
    /// The message of a Chat Completions request that the item was made of, to be passed on as it came.
    public let chatMessage: JSONValue?

    public init(id: String, status: Status = .completed, body: JSONObject, chatMessage: JSONValue? = nil) {
        self.id = id
        self.status = status
        self.body = body
        self.chatMessage = chatMessage
        count()
    }

    /// Bytes of ``text``, in UTF-8. Joins nothing. Counted once: sums over a conversation are made on loops.
    public private(set) var textByteCount = 0
    /// Bytes that the item takes as JSON, near enough: escapes are not counted, and the message that it was made of is.
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

    /// `message`, `function_call`, `function_call_output`, `custom_tool_call`, `custom_tool_call_output`, `reasoning`.
    public var type: String { body["type"]?.string ?? "message" }

    /// `user`, `assistant`, `system`, `developer` for messages.
    public var role: String? { body["role"]?.string }

    /// Whether it is the result of a tool call.
    public var isToolResult: Bool { type == "function_call_output" || type == "custom_tool_call_output" }

    /// A user's message of plain text.
    public static func userMessage(_ text: String) -> Item {
        Item(
            id: Identifier.make("msg_"),
            body: ["type": "message", "role": "user", "content": [["type": "input_text", "text": .string(text)]]])
    }

    /// All text of a message, parts joined.
    public var text: String {
        switch body["content"] {
        case .string(let text)?: text
        case .array(let parts)?: parts.compactMap { $0["text"]?.string ?? $0["refusal"]?.string }.joined()
        default: ""
        }
    }

    /// As somebody said it: a user's message that has no name gets the speaker's.
    public func spoken(by participant: Participant) -> Item {
        guard type == "message", role == "user", body["name"] == nil, chatMessage == nil else { return self }
        var item = self
        item.body["name"] = .string(participant.name)
        return item
    }

    public var json: JSONValue {
        var object: JSONObject = ["id": .string(id)]
        for (key, value) in body { object[key] = value }
        object["status"] = .string(status.rawValue)
        return .object(object)
    }
}

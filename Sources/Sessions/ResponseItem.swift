import Bytes
import JSON
import Synchronization

/// The kind of an output item. The numbers are stored.
public enum OutputItemKind: UInt8, Sendable {
    case message = 1
    case refusal = 2
    case reasoning = 3
    case functionCall = 4
    /// A call whose input is plain text.
    case customToolCall = 5
}

/// An output item of a response: what is known at its beginning, and all of it once it is closed. Shared by all events that refer
/// to it; safe from any thread.
public final class ResponseItem: Sendable {
    /// The item's identifier.
    public let id: String
    /// Index in the output.
    public let index: Int
    /// The item's kind.
    public let kind: OutputItemKind
    /// Identifier of a call; empty for other kinds.
    public let callID: String
    /// Name of the called tool; empty for other kinds.
    public let name: String
    private let closedItem = Mutex<ClosedItem?>(nil)

    init(id: String, index: Int, kind: OutputItemKind, callID: String = "", name: String = "") {
        self.id = id
        self.index = index
        self.kind = kind
        self.callID = callID
        self.name = name
    }

    /// An item of a response that has ended.
    init(_ item: Item, index: Int) {
        let body = item.body
        id = item.id
        self.index = index
        callID = body["call_id"]?.string ?? ""
        name = body["name"]?.string ?? ""
        var text = item.text
        switch item.type {
        case "reasoning": kind = .reasoning
        case "function_call":
            kind = .functionCall
            text = body["arguments"]?.string ?? ""
        case "custom_tool_call":
            kind = .customToolCall
            text = body["input"]?.string ?? ""
        default:
            let isRefusal = body["content"]?.array?.first?["type"]?.string == "refusal"
            kind = isRefusal ? .refusal : .message
        }
        closedItem.withLock { $0 = ClosedItem(item: item, text: text) }
    }

    /// Decodes the output of ``write(to:)``.
    init(index: Int, _ parts: inout EventParts) {
        self.index = index
        kind = OutputItemKind(rawValue: parts.byte()) ?? .message
        id = parts.string()
        callID = parts.string()
        name = parts.string()
    }

    func write(to body: inout ByteBuffer) {
        body.append(kind.rawValue)
        body.append(counted: id)
        body.append(counted: callID)
        body.append(counted: name)
    }

    /// The complete item; nil while it is being generated.
    public var closed: ClosedItem? { closedItem.withLock { $0 } }

    /// Closes the item.
    func close(_ item: Item, text: String) { closedItem.withLock { $0 = ClosedItem(item: item, text: text) } }

    /// Whether it is a tool call, of either kind.
    public var isCall: Bool { kind == .functionCall || kind == .customToolCall }
    /// Whether it is a message or a refusal.
    public var isMessage: Bool { kind == .message || kind == .refusal }
}

/// A complete output item.
public struct ClosedItem: Sendable {
    /// The item in the conversation.
    public let item: Item
    /// Its text, or the arguments of its call; shares storage with the item.
    public let text: String
}

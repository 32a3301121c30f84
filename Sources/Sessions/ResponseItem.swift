import Bytes
import JSON
import Synchronization

/// What kind of output item it is. The numbers stand on the disk.
public enum OutputItemKind: UInt8, Sendable {
    case message = 1
    case refusal = 2
    case reasoning = 3
    case functionCall = 4
    /// A call whose input is free text.
    case customToolCall = 5
}

/// An output item of a response: what is known of it from its beginning, and the whole of it once it is closed. Shared by all events
/// that are about it; safe from any thread.
public final class ResponseItem: Sendable {
    public let id: String
    public let index: Int
    public let kind: OutputItemKind
    /// Of calls; empty for others.
    public let callID: String
    /// Of calls; empty for others.
    public let name: String
    private let closedItem = Mutex<ClosedItem?>(nil)

    init(id: String, index: Int, kind: OutputItemKind, callID: String = "", name: String = "") {
        self.id = id
        self.index = index
        self.kind = kind
        self.callID = callID
        self.name = name
    }

    /// Of a response that has ended.
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

    /// Reads what ``write(to:)`` wrote.
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

    /// The whole of it; nil while it is written.
    public var closed: ClosedItem? { closedItem.withLock { $0 } }

    /// What it came to.
    func close(_ item: Item, text: String) { closedItem.withLock { $0 = ClosedItem(item: item, text: text) } }

    /// Whether it is a call of a tool, of either kind.
    public var isCall: Bool { kind == .functionCall || kind == .customToolCall }
    public var isMessage: Bool { kind == .message || kind == .refusal }
}

/// An output item that nothing is added to any more.
public struct ClosedItem: Sendable {
    /// As it stands in the conversation.
    public let item: Item
    /// Its text, or the arguments of its call: shares the storage of the item's own.
    public let text: String
}

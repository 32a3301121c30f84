import JSON
import Sessions

/// Makes turns of items, one after the other.
struct ConversationBuilder {
    private(set) var turns: [Conversation.Turn] = []
    /// Calls that stand side by side: one assistant message.
    private var openCalls: [Conversation.ToolCall] = []
    private let callIDs: Set<String>
    private var outputs: [String: Conversation.Turn] = [:]

    init(_ items: [Item]) {
        var callIDs: Set<String> = []
        for item in items {
            switch item.type {
            case "function_call" where item.status == .completed:
                if let id = item.body["call_id"]?.string { callIDs.insert(id) }
            case "function_call_output":
                if let id = item.body["call_id"]?.string, outputs[id] == nil { outputs[id] = Self.output(item, id) }
            default: break
            }
        }
        self.callIDs = callIDs
    }

    mutating func take(_ item: Item) {
        switch item.type {
        case "function_call":
            guard item.status == .completed, let id = item.body["call_id"]?.string, outputs[id] != nil else { return }
            openCalls.append(
                Conversation.ToolCall(
                    id: id, name: item.body["name"]?.string ?? "", arguments: item.body["arguments"]?.string ?? "{}"))
        case "function_call_output":
            flushCalls()
            // Those of our calls are put behind them. A chat client's own pairs stand as they came.
            if let id = item.body["call_id"]?.string, callIDs.contains(id) { return }
            if let message = item.chatMessage { turns.append(Conversation.Turn(chatMessage: message)) }
        case "message":
            flushCalls()
            if let message = item.chatMessage {
                turns.append(Conversation.Turn(chatMessage: message))
            } else if let turn = Self.message(item) {
                turns.append(turn)
            }
        default:
            // Reasoning is the model's own affair; other items no upstream of these dialects knows.
            break
        }
    }

    /// Ends the assistant message that the open calls make, and puts their outputs behind it.
    mutating func flushCalls() {
        if openCalls.isEmpty { return }
        if let last = turns.last, last.role == .assistant, last.verbatim == nil, last.toolCalls.isEmpty {
            turns[turns.count - 1].toolCalls = openCalls
        } else {
            turns.append(Conversation.Turn(role: .assistant, toolCalls: openCalls))
        }
        for call in openCalls {
            if let output = outputs.removeValue(forKey: call.id) { turns.append(output) }
        }
        openCalls = []
    }

    private static func message(_ item: Item) -> Conversation.Turn? {
        let role = item.role.flatMap(Conversation.Turn.Role.init(rawValue:)) ?? .user
        let parts = Conversation.Part.parts(item.body["content"])
        // An answer that was cut before its first word.
        if role == .assistant, parts.allSatisfy({ if case .text("") = $0 { true } else { false } }) { return nil }
        return Conversation.Turn(role: role, parts: parts)
    }

    private static func output(_ item: Item, _ id: String) -> Conversation.Turn {
        if let message = item.chatMessage { return Conversation.Turn(chatMessage: message) }
        let text: String
        switch item.body["output"] {
        case .string(let output)?: text = output
        case .array(let parts)?: text = parts.map { $0["text"]?.string ?? $0.description }.joined()
        case let output?: text = output.description
        case nil: text = ""
        }
        return Conversation.Turn(role: .tool, parts: [.text(text)], callID: id)
    }
}

extension Conversation.Turn {
    /// A message of Chat Completions, kept verbatim and read as well, for dialects that have another form.
    init(chatMessage message: JSONValue) {
        role = message["role"]?.string.flatMap(Role.init(rawValue:)) ?? .user
        parts = Conversation.Part.parts(message["content"])
        for call in message["tool_calls"]?.array ?? [] {
            guard let id = call["id"]?.string, let function = call["function"] else { continue }
            toolCalls.append(
                Conversation.ToolCall(
                    id: id, name: function["name"]?.string ?? "", arguments: function["arguments"]?.string ?? "{}"))
        }
        callID = message["tool_call_id"]?.string
        verbatim = message
    }
}

extension Conversation.Part {
    /// Content in the shape of Responses or of Chat Completions.
    static func parts(_ content: JSONValue?) -> [Conversation.Part] {
        switch content {
        case .string(let text)?: [.text(text)]
        case .array(let parts)?: parts.map(Conversation.Part.init)
        default: []
        }
    }

    private init(_ part: JSONValue) {
        switch part["type"]?.string {
        case "input_text"?, "output_text"?, "text"?: self = .text(part["text"]?.string ?? "")
        case "refusal"?: self = .text(part["refusal"]?.string ?? "")
        case "input_image"?, "image_url"?:
            // A string in Responses, an object in Chat Completions.
            let image = part["image_url"]
            if let url = image?.string ?? image?["url"]?.string {
                self = .image(url: url, detail: part["detail"]?.string ?? image?["detail"]?.string)
            } else {
                self = .other(part)
            }
        case "input_file"?, "file"?:
            let source = part["file"] ?? part
            var file = JSONObject()
            for name in ["filename", "file_data", "file_url", "file_id"] {
                if let value = source[name], !value.isNull { file[name] = value }
            }
            self = .file(file)
        default: self = .other(part)
        }
    }
}

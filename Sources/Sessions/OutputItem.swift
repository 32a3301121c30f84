import Bytes
import JSON

/// An item that a generation is writing. Its text is kept as the contents of a JSON string, escapes and all: it comes from
/// JSON and goes to JSON, and is unescaped once, at the end.
final class OutputItem {
    enum Kind {
        /// Assistant text; `isRefusal` tells which kind of content part.
        case message(isRefusal: Bool)
        case reasoning
        case functionCall(callID: String, name: String)
        /// A call whose input is free text.
        case customToolCall(callID: String, name: String)
    }

    let id: String
    let index: Int
    private(set) var kind: Kind
    /// The upstream's number of the tool call, for deltas that name only that.
    let toolIndex: Int
    /// nil while it is being written.
    private(set) var closedAs: Item.Status?
    /// Escaped contents of the text or arguments.
    var contents = ByteBuffer()
    /// What the provider must get back with it.
    var provider: ProviderData?
    /// Of a message that somebody cut.
    var interruption: Interruption?

    /// Who cut a message.
    struct Interruption {
        /// nil: nobody who has a name.
        let participantName: String?
    }

    /// From the event that announced it.
    /// - Throws: ``JSON/JSONRecord/Malformed`` if that says something else.
    init(restoringFrom event: LogEvent) throws {
        let announced = try JSONValue.parse(event.payload, limits: .own)
        let item = try JSONRecord(announced, of: "event").required("item") { try JSONRecord($0, of: "output item") }
        id = try item.required("id", \.string)
        switch try item.required("type", \.string) {
        case "message": kind = .message(isRefusal: false)
        case "reasoning": kind = .reasoning
        case "function_call":
            kind = .functionCall(callID: try item.required("call_id", \.string), name: try item.required("name", \.string))
        case "custom_tool_call":
            kind = .customToolCall(callID: try item.required("call_id", \.string), name: try item.required("name", \.string))
        default: throw JSONRecord.Malformed(record: "output item", member: "type")
        }
        provider = announced["item"].flatMap(ProviderData.init(ofItem:))
        index = event.outputIndex
        toolIndex = -1
    }

    /// A restored message turns out to be a refusal: the event that announced it does not tell.
    func becomeRefusal() { kind = .message(isRefusal: true) }

    init(kind: Kind, index: Int, toolIndex: Int = -1) {
        self.kind = kind
        self.index = index
        self.toolIndex = toolIndex
        id =
            switch kind {
            case .message: Identifier.make("msg_")
            case .reasoning: Identifier.make("rs_")
            case .functionCall: Identifier.make("fc_")
            case .customToolCall: Identifier.make("ctc_")
            }
    }

    func close(as status: Item.Status) { closedAs = status }

    /// The events that tell of its end, in their order.
    enum Ending: Int {
        case contents, part, item, told
    }

    /// The next of them that is to be told.
    var ending = Ending.contents

    var isCustomToolCall: Bool { if case .customToolCall = kind { true } else { false } }
    var isMessage: Bool { if case .message = kind { true } else { false } }
    var isCallOrRefusal: Bool {
        switch kind {
        case .functionCall, .customToolCall, .message(isRefusal: true): true
        case .message(isRefusal: false), .reasoning: false
        }
    }
    /// Whether it is a call of a tool, of either kind.
    var isFunctionCall: Bool {
        switch kind {
        case .functionCall, .customToolCall: true
        case .message, .reasoning: false
        }
    }

    /// `type` of the content part; nil for items without parts.
    var partType: StaticString? {
        switch kind {
        case .message(let isRefusal): isRefusal ? "refusal" : "output_text"
        case .reasoning: "reasoning_text"
        case .functionCall, .customToolCall: nil
        }
    }

    /// Writes the item as it stands; `isAdded` for the event that announces it, when it has no content yet.
    func write(to writer: inout JSONObjectWriter, isAdded: Bool = false) {
        writer.field("id", id)
        switch kind {
        case .message:
            writer.field("type", "message")
            writer.field("role", "assistant")
            writer.array("content") { content in
                if !isAdded { content.object { writePart(to: &$0) } }
            }
        case .reasoning:
            writer.field("type", "reasoning")
            writer.array("summary") { _ in }
            writer.array("content") { content in
                if !isAdded { content.object { writePart(to: &$0) } }
            }
        case .functionCall(let callID, let name):
            writer.field("type", "function_call")
            writer.field("call_id", callID)
            writer.field("name", name)
            if isAdded { writer.field("arguments", "") } else { writeContents("arguments", to: &writer) }
        case .customToolCall(let callID, let name):
            writer.field("type", "custom_tool_call")
            writer.field("call_id", callID)
            writer.field("name", name)
            if isAdded { writer.field("input", "") } else { writeContents("input", to: &writer) }
        }
        writeExtension(to: &writer)
        writer.field("status", (closedAs ?? .inProgress).rawValue)
    }

    func writePart(to writer: inout JSONObjectWriter, isAdded: Bool = false) {
        switch kind {
        case .message(isRefusal: false):
            writer.field("type", "output_text")
            if isAdded { writer.field("text", "") } else { writeContents("text", to: &writer) }
            writer.array("annotations") { _ in }
            writer.array("logprobs") { _ in }
        case .message(isRefusal: true):
            writer.field("type", "refusal")
            if isAdded { writer.field("refusal", "") } else { writeContents("refusal", to: &writer) }
        case .reasoning:
            writer.field("type", "reasoning_text")
            if isAdded { writer.field("text", "") } else { writeContents("text", to: &writer) }
        case .functionCall, .customToolCall: break
        }
    }

    private func writeExtension(to writer: inout JSONObjectWriter) {
        if case .reasoning = kind {
            if let provider { writer.field("encrypted_content", provider.encoded) }
        } else if provider != nil || interruption != nil {
            writer.object("interject") { extensions in
                if let provider { extensions.field("provider_data", provider.encoded) }
                if let interruption {
                    extensions.field("interrupted", true)
                    extensions.field("interrupted_by", interruption.participantName)
                }
            }
        }
    }

    func writeContents(_ name: StaticString, to writer: inout JSONObjectWriter) {
        if isSpliced { splice = writer.emptyField(name) } else { writer.field(name, escaped: contents.bytes) }
    }

    /// Contents of so many bytes are copied once for each event, straight into its payload.
    private static let leastSplicedByteCount = 256 << 10
    private var isSpliced = false
    private var splice: Int?

    /// Has the next event that tells the contents leave them out.
    func beginSplice() { isSpliced = contents.count >= Self.leastSplicedByteCount }

    /// - Returns: where in the event they belong; nil if they stand there.
    func endSplice() -> Int? {
        defer { (isSpliced, splice) = (false, nil) }
        return splice
    }

    private var quoted: ByteBuffer {
        var quoted = ByteBuffer(capacity: contents.count + 2)
        quoted.append(UInt8(ascii: "\""))
        quoted.append(contents.bytes)
        quoted.append(UInt8(ascii: "\""))
        return quoted
    }

    /// Has the provider's data hold the text too.
    func provideText() {
        if provider == nil { provider = ProviderData(dialect: ProviderData.openAI, members: [:]) }
        provider?.members["text"] = .string(text)
    }

    /// The text or arguments as they stand.
    var text: String {
        let quoted = quoted
        return (try? JSONValue.parse(quoted.bytes, limits: .own))?.string ?? ""
    }

    /// The item as a part of the conversation.
    var item: Item { encoded.item }

    /// The item as it stands, to be read elsewhere.
    var encoded: EncodedItem {
        var buffer = ByteBuffer()
        buffer.appendJSONObject { write(to: &$0) }
        return EncodedItem(id: id, status: closedAs ?? .inProgress, json: buffer.array)
    }

    struct EncodedItem: Sendable {
        let id: String
        let status: Item.Status
        let json: [UInt8]

        /// Takes as long as to read its JSON.
        var item: Item {
            var body = (try? JSONValue.parse(json, limits: .own))?.object ?? [:]
            body["id"] = nil
            body["status"] = nil
            return Item(id: id, status: status, body: body)
        }
    }
}

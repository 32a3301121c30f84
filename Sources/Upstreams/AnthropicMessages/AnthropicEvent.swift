import JSON

/// The understood members of one event of a `messages` stream, as views into its bytes. Parsing delivers nothing.
struct AnthropicEvent {
    /// Nil if the data has no `type`; the event's name applies then.
    private(set) var type: RawString?
    private(set) var index: Int?
    private(set) var delta: JSONReader?
    private(set) var contentBlock: JSONReader?
    private(set) var message: JSONReader?
    private(set) var usage: JSONReader?
    private(set) var error: JSONReader?
    private(set) var stopReason: JSONReader?

    /// - Parameter reader: at an object. `type` may come last, so the other members are bookmarked and read later.
    init(_ reader: inout JSONReader) throws(JSONError) {
        try reader.enterObject()
        while let key = try reader.nextKey() {
            switch key {
            case "type": type = try reader.readText()
            case "index": index = try reader.readIndex()
            case "delta": delta = try reader.bookmark()
            case "content_block": contentBlock = try reader.bookmark()
            case "message": message = try reader.bookmark()
            case "usage": usage = try reader.bookmark()
            case "error": error = try reader.bookmark()
            case "stop_reason": stopReason = try reader.bookmark()
            default: try reader.skipValue()
            }
        }
    }
}

/// A content block, complete or as `content_block_start` opens it.
struct AnthropicBlock {
    private(set) var isTool = false
    /// Signature of a thinking block.
    private(set) var signature: RawString?
    /// Encrypted contents of a `redacted_thinking` block, which clients may not read.
    private(set) var redacted: RawString?
    private(set) var id: RawString?
    private(set) var name: RawString?
    private(set) var text: JSONReader?
    private(set) var thinking: JSONReader?
    private(set) var input: JSONReader?

    /// - Parameter reader: at any value; anything but an object is an empty block.
    init(_ reader: inout JSONReader) throws(JSONError) {
        guard try reader.enteredObject() else { return }
        while let key = try reader.nextKey() {
            switch key {
            case "type": isTool = try reader.readText().map { $0 == "tool_use" } ?? false
            case "signature": signature = try reader.readText()
            case "data": redacted = try reader.readText()
            case "id": id = try reader.readScalar()
            case "name": name = try reader.readScalar()
            case "text": text = try reader.bookmark()
            case "thinking": thinking = try reader.bookmark()
            case "input": input = try reader.bookmark()
            default: try reader.skipValue()
            }
        }
    }
}

import Bytes
import JSON

/// An output item that a generation is writing.
final class OutputItem {
    /// What is known at its beginning; its events refer to it.
    let head: ResponseItem
    /// The upstream's number of the tool call, for deltas that name only that.
    let toolIndex: Int
    /// Nil while the item is being written.
    private(set) var closedAs: Item.Status?
    /// The text or arguments so far, in UTF-8.
    private(set) var contents = ByteBuffer()
    /// Data that must be returned to the provider with the item.
    var provider: ProviderData?
    /// Set for an interrupted message.
    var interruption: Interruption?

    /// The interruption of a message.
    struct Interruption {
        /// Name of the interrupting participant; nil if unnamed.
        let participantName: String?
    }

    /// The events of an item's end, in order.
    enum Ending: Int {
        case contents, part, item, told
    }

    /// The next of these events to be emitted.
    var ending = Ending.contents

    init(kind: OutputItemKind, index: Int, callID: String = "", name: String = "", toolIndex: Int = -1) {
        let prefix =
            switch kind {
            case .message, .refusal: "msg_"
            case .reasoning: "rs_"
            case .functionCall: "fc_"
            case .customToolCall: "ctc_"
            }
        head = ResponseItem(id: Identifier.make(prefix), index: index, kind: kind, callID: callID, name: name)
        self.toolIndex = toolIndex
    }

    /// Restores the item from the event that announced it.
    init(restoringFrom event: SessionEvent) {
        head = event.item ?? event.announcedItem
        provider = event.provider.flatMap(ProviderData.init(encoded:))
        toolIndex = -1
    }

    var id: String { head.id }
    var index: Int { head.index }
    var kind: OutputItemKind { head.kind }

    /// Appends a piece of its text.
    /// - Parameter escaped: valid contents of a JSON string.
    /// - Returns: offset of the piece in ``contents``, and whether it needs no escapes in JSON.
    @inline(__always)
    func append(escaped: UnsafeRawBufferPointer) -> (offset: Int, form: SessionEvent.TextForm) {
        let offset = contents.count
        let isPlain = contents.append(unescapingJSON: escaped)
        return (offset, isPlain ? .plain : .needsEscapes)
    }

    /// Appends a piece of its text, in UTF-8.
    func append(_ text: UnsafeRawBufferPointer) { contents.append(text) }

    func close(as status: Item.Status) {
        closedAs = status
        if contents.isEmpty { contents = ByteBuffer() }
    }

    /// Closes the item, and completes the data for its provider.
    func close(as status: Item.Status, _ parameters: ResponseParameters) {
        close(as: status)
        if kind == .reasoning, parameters.encryptsReasoning { provideText() }
    }

    /// Fixes its text or arguments, which all end events share.
    func settle() {
        guard head.closed == nil else { return }
        let text = text
        head.close(item(text), text: text)
        contents = ByteBuffer()
    }

    var isMessage: Bool { head.isMessage }
    var isCustomToolCall: Bool { kind == .customToolCall }
    /// Whether it is a tool call, of either kind.
    var isFunctionCall: Bool { head.isCall }
    var isCallOrRefusal: Bool { isFunctionCall || kind == .refusal }
    /// Whether it has content parts.
    var hasParts: Bool { !isFunctionCall }
    /// Size of its text in bytes.
    var textByteCount: Int { head.closed?.text.utf8.count ?? contents.count }

    /// Adds the text to the provider's data.
    func provideText() {
        if provider == nil { provider = ProviderData(dialect: ProviderData.openAI, members: [:]) }
        provider?.members["text"] = .string(text)
    }

    /// The text or arguments so far.
    var text: String { head.closed?.text ?? String(decoding: contents.bytes, as: UTF8.self) }

    /// The item as it would be in the conversation now.
    var item: Item { head.closed?.item ?? item(text) }

    /// The announced item, which has no content parts yet.
    var announcement: Item {
        var item = item("")
        if hasParts { item.body["content"] = [] }
        return item
    }

    private func item(_ text: String) -> Item {
        var body: JSONObject
        switch kind {
        case .message:
            let part: JSONValue = ["type": "output_text", "text": .string(text), "annotations": [], "logprobs": []]
            body = ["type": "message", "role": "assistant", "content": [part]]
        case .refusal:
            body = ["type": "message", "role": "assistant", "content": [["type": "refusal", "refusal": .string(text)]]]
        case .reasoning:
            body = ["type": "reasoning", "summary": [], "content": [["type": "reasoning_text", "text": .string(text)]]]
        case .functionCall:
            body = [
                "type": "function_call", "call_id": .string(head.callID), "name": .string(head.name), "arguments": .string(text),
            ]
        case .customToolCall:
            body = [
                "type": "custom_tool_call", "call_id": .string(head.callID), "name": .string(head.name), "input": .string(text),
            ]
        }
        if kind == .reasoning {
            if let provider { body["encrypted_content"] = .string(provider.encoded) }
        } else if provider != nil || interruption != nil {
            var extensions: JSONObject = [:]
            if let provider { extensions["provider_data"] = .string(provider.encoded) }
            if let interruption {
                extensions["interrupted"] = true
                extensions["interrupted_by"] = interruption.participantName.map { .string($0) } ?? .null
            }
            body["interject"] = .object(extensions)
        }
        return Item(id: id, status: closedAs ?? .inProgress, body: body)
    }
}

extension ResponseParameters {
    /// Whether the client returns reasoning as `encrypted_content` only.
    fileprivate var encryptsReasoning: Bool {
        members["include"]?.array?.contains("reasoning.encrypted_content") ?? false
    }
}

extension SessionEvent {
    /// The item announced by an ``EventKind/outputItemAdded`` event.
    var announcedItem: ResponseItem {
        withParts { parts in ResponseItem(index: outputIndex, &parts) }
    }

    /// For ``EventKind/outputItemDone``: how the item ended.
    var closing: (status: Item.Status, provider: String?, interruption: OutputItem.Interruption?) {
        withParts { parts in
            let status: Item.Status = parts.byte() == 1 ? .completed : .incomplete
            let provider = parts.optionalString()
            let isInterrupted = parts.byte() == 1
            return (status, provider, isInterrupted ? OutputItem.Interruption(participantName: parts.optionalString()) : nil)
        }
    }
}

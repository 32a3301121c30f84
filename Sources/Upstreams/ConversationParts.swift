import JSON
import Sessions

extension Conversation.Part {
    /// Parses content in the form of Responses or Chat Completions.
    /// - Parameters:
    ///   - item: index in the conversation.
    ///   - member: the item's member that has the content.
    static func parts(_ content: JSONValue?, at item: Int, member: String = "content") -> [Conversation.Part] {
        switch content {
        case .string(let text)?:
            return [Conversation.Part(content: .text(text), origin: Conversation.Origin(item: item, member: "." + member))]
        case .array(let parts)?:
            return parts.enumerated().map { index, part in
                let mark = part["cache_control"].flatMap { $0.isNull ? nil : $0 }
                let origin = Conversation.Origin(item: item, member: ".\(member)[\(index)]")
                return Conversation.Part(content: Content(part), cacheControl: mark, origin: origin)
            }
        default: return []
        }
    }

    /// The model's reasoning with the data that must be returned to its upstream; nil without either.
    init?(reasoning item: Item) {
        let provider = item.provider
        var text = provider?.members["text"]?.string
        if text == nil { text = item.text }
        let reasoning = text ?? ""
        if reasoning.isEmpty, provider == nil { return nil }
        self.init(content: .reasoning(reasoning, provider: provider))
    }

    /// Reasoning beside a Chat Completions message, in the forms that identify its provider. Only needed for other dialects.
    static func reasoning(ofChatMessage message: JSONValue) -> [Conversation.Part] {
        let blocks = message["thinking_blocks"]?.array ?? message["reasoning_details"]?.array ?? []
        return blocks.compactMap { block in
            var members = JSONObject()
            if let signature = block["signature"]?.string { members["signature"] = .string(signature) }
            switch block["type"]?.string {
            case "redacted_thinking"?, "reasoning.encrypted"?: members["redacted"] = block["data"]
            default: break
            }
            if members.isEmpty { return nil }
            let text = block["thinking"]?.string ?? block["text"]?.string ?? ""
            return Conversation.Part(
                content: .reasoning(text, provider: ProviderData(dialect: ProviderData.anthropic, members: members)))
        }
    }
}

extension Conversation.Part.Content {
    fileprivate init(_ part: JSONValue) {
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

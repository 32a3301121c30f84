import JSON
import Sessions

/// A conversation in Anthropic's form: one system text, and alternating user and assistant messages of content blocks.
struct AnthropicConversation {
    private var systemBlocks: [JSONValue] = []
    private var turns: [(role: String, blocks: [JSONValue])] = []
    private let request: ModelRequest
    private let upstream: UpstreamConfiguration
    /// The answer to continue; nil when the request asks for a new one.
    let continuation: Continuation?

    /// - Parameter prefills: whether the model continues a trailing assistant message.
    init(_ request: ModelRequest, _ upstream: UpstreamConfiguration, prefills: Bool) throws(GenerationError) {
        self.request = request
        self.upstream = upstream
        let form = Conversation.Form(
            callIDs: .alphanumeric, hasNames: false, prefills: prefills, wording: upstream.wording)
        let conversation = Conversation(request, form)
        continuation = conversation.continuation
        for turn in conversation.turns {
            switch turn.role {
            case .system, .developer: systemBlocks += try blocks(turn)
            case .user: append("user", try blocks(turn))
            case .assistant: append("assistant", try blocks(turn))
            case .tool: append("user", [try toolResult(turn)])
            }
        }
    }

    /// A string, or a list of blocks if a part carries `cache_control`; nil without a system prompt.
    var system: JSONValue? {
        if systemBlocks.isEmpty { return nil }
        if systemBlocks.contains(where: { $0["cache_control"] != nil }) { return .array(systemBlocks) }
        return .string(systemBlocks.compactMap { $0["text"]?.string }.joined(separator: "\n\n"))
    }

    var messages: JSONValue {
        .array(
            turns.map { turn in
                // A message of one plain block is written as a string.
                let isShort = turn.blocks.count == 1 && turn.blocks[0]["cache_control"] == nil
                let text = isShort ? turn.blocks[0]["text"] : nil
                return ["role": .string(turn.role), "content": text ?? .array(turn.blocks)]
            })
    }

    private mutating func append(_ role: String, _ blocks: [JSONValue]) {
        if blocks.isEmpty { return }
        if let last = turns.last, last.role == role {
            turns[turns.count - 1].blocks += blocks
        } else {
            turns.append((role, blocks))
        }
    }

    private func blocks(_ turn: Conversation.Turn) throws(GenerationError) -> [JSONValue] {
        var blocks: [JSONValue] = []
        for part in turn.parts {
            guard var block = try block(part) else { continue }
            if let mark = part.cacheControl { block["cache_control"] = mark }
            blocks.append(.object(block))
        }
        return blocks
    }

    /// nil for a part that is omitted.
    private func block(_ part: Conversation.Part) throws(GenerationError) -> JSONObject? {
        switch part.content {
        // Anthropic rejects empty text blocks.
        case .text(let text): return text.isEmpty ? nil : ["type": "text", "text": .string(text)]
        case .image(let url, _): return ["type": "image", "source": source(url)]
        case .file(let file):
            guard let url = file["file_data"]?.string ?? file["file_url"]?.string else {
                throw .unsupported("files by identifier", by: upstream, param: request.param(of: part.origin))
            }
            return ["type": "document", "source": source(url)]
        case .reasoning(let text, let provider): return Self.thinking(text, provider)
        case .call(let call):
            if call.isCustom {
                throw .unsupported("custom tool calls", by: upstream, param: request.param(of: part.origin))
            }
            return toolUse(call)
        case .other(let value):
            throw .unsupported(
                "content of type \(value["type"]?.string ?? "(none)")", by: upstream, param: request.param(of: part.origin))
        }
    }

    /// A `data:` URL becomes a base64 source, any other URL a `url` source.
    private func source(_ url: String) -> JSONValue {
        guard url.hasPrefix("data:"), let marker = url.firstRange(of: ";base64,") else {
            return ["type": "url", "url": .string(url)]
        }
        let mediaType = url[url.index(url.startIndex, offsetBy: 5)..<marker.lowerBound]
        return [
            "type": "base64", "media_type": .string(String(mediaType)), "data": .string(String(url[marker.upperBound...])),
        ]
    }

    /// Anthropic's own thinking is returned verbatim. Thinking without its signature would be rejected, and another provider's
    /// thinking is useless here.
    private static func thinking(_ text: String, _ provider: ProviderData?) -> JSONObject? {
        guard let provider, provider.dialect == ProviderData.anthropic else { return nil }
        if let data = provider.members["redacted"] { return ["type": "redacted_thinking", "data": data] }
        guard let signature = provider.members["signature"] else { return nil }
        return ["type": "thinking", "thinking": .string(text), "signature": signature]
    }

    private func toolUse(_ call: Conversation.ToolCall) -> JSONObject {
        let input = try? JSONValue.parse(call.input)
        return [
            "type": "tool_use", "id": .string(call.id), "name": .string(call.name),
            "input": input?.object == nil ? [:] : input ?? [:],
        ]
    }

    private func toolResult(_ turn: Conversation.Turn) throws(GenerationError) -> JSONValue {
        var result: JSONObject = ["type": "tool_result", "tool_use_id": .string(turn.callID ?? "")]
        if let text = turn.plainText {
            result["content"] = .string(text)
            return .object(result)
        }
        var blocks = try blocks(turn)
        // `cache_control` on the last part of a result applies to the whole result.
        if blocks.count == 1, var only = blocks[0].object, let mark = only["cache_control"] {
            only["cache_control"] = nil
            blocks = [.object(only)]
            result["cache_control"] = mark
        }
        result["content"] = .array(blocks)
        return .object(result)
    }
}

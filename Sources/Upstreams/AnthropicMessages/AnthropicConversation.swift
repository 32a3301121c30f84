import JSON
import Sessions

/// A conversation in Anthropic's form: one system text, and messages of content blocks in which user and assistant take turns.
struct AnthropicConversation {
    private(set) var system = ""
    private var turns: [(role: String, blocks: [JSONValue])] = []
    private let upstream: UpstreamConfiguration

    init(_ conversation: [Conversation.Turn], _ upstream: UpstreamConfiguration) throws(GenerationError) {
        self.upstream = upstream
        for turn in conversation {
            switch turn.role {
            case .system, .developer:
                let text = turn.plainText ?? ""
                system += system.isEmpty ? text : "\n\n" + text
            case .user: append("user", try blocks(turn))
            case .assistant: append("assistant", try blocks(turn) + turn.toolCalls.map(toolUse))
            case .tool: append("user", [try toolResult(turn)])
            }
        }
    }

    var messages: JSONValue {
        .array(
            turns.map { turn in
                // The short form of one block of text.
                let text = turn.blocks.count == 1 ? turn.blocks[0]["text"] : nil
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
            // An empty text is refused.
            if case .text("") = part { continue }
            blocks.append(try block(part))
        }
        return blocks
    }

    private func block(_ part: Conversation.Part) throws(GenerationError) -> JSONValue {
        switch part {
        case .text(let text): return ["type": "text", "text": .string(text)]
        case .image(let url, _): return ["type": "image", "source": source(url)]
        case .file(let file):
            guard let url = file["file_data"]?.string ?? file["file_url"]?.string else {
                throw .unsupported("file by its identifier", by: upstream)
            }
            return ["type": "document", "source": source(url)]
        case .other(let value):
            throw .unsupported("content of type \(value["type"]?.string ?? "(none)")", by: upstream)
        }
    }

    /// `data:` URLs are given as base64, others by their address.
    private func source(_ url: String) -> JSONValue {
        guard url.hasPrefix("data:"), let marker = url.firstRange(of: ";base64,") else {
            return ["type": "url", "url": .string(url)]
        }
        let mediaType = url[url.index(url.startIndex, offsetBy: 5)..<marker.lowerBound]
        return [
            "type": "base64", "media_type": .string(String(mediaType)), "data": .string(String(url[marker.upperBound...])),
        ]
    }

    private func toolUse(_ call: Conversation.ToolCall) -> JSONValue {
        let input = try? JSONValue.parse(call.arguments)
        return [
            "type": "tool_use", "id": .string(call.id), "name": .string(call.name),
            "input": input?.object == nil ? [:] : input ?? [:],
        ]
    }

    private func toolResult(_ turn: Conversation.Turn) throws(GenerationError) -> JSONValue {
        var result: JSONObject = ["type": "tool_result", "tool_use_id": .string(turn.callID ?? "")]
        if let text = turn.plainText { result["content"] = .string(text) } else { result["content"] = .array(try blocks(turn)) }
        return .object(result)
    }
}

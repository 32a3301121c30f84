import JSON
import Sessions

/// A conversation as the messages of Chat Completions.
struct ChatMessages {
    private(set) var messages: [JSONValue] = []
    /// The answer to continue; nil when the request asks for a new one.
    let continuation: Continuation?
    private let request: ModelRequest
    private let upstream: UpstreamConfiguration
    /// Images in tool results. They follow in a user message, which every server accepts.
    private var attachments: [JSONValue] = []

    /// - Parameter prefills: whether the upstream continues a trailing assistant message.
    init(_ request: ModelRequest, to upstream: UpstreamConfiguration, prefills: Bool) throws(GenerationError) {
        self.request = request
        self.upstream = upstream
        let conversation = Conversation(request, Conversation.Form(prefills: prefills, wording: upstream.wording))
        continuation = conversation.continuation
        let turns = conversation.turns
        let withTools = Self.turnsWithTools(turns)
        for (index, turn) in turns.enumerated() {
            if turn.role != .tool { flushAttachments() }
            messages.append(try message(turn, isOfToolTurn: withTools[index]))
        }
        flushAttachments()
    }

    /// For each conversation turn, whether a tool call occurs between the inputs around it.
    private static func turnsWithTools(_ turns: [Conversation.Turn]) -> [Bool] {
        var result: [Bool] = []
        var start = 0
        func close(at end: Int) {
            let hasCalls = turns[start..<end].contains { !$0.toolCalls.isEmpty }
            result += Array(repeating: hasCalls, count: max(0, end - start))
            start = end
        }
        for (index, turn) in turns.enumerated() where turn.role == .user { close(at: index) }
        close(at: turns.count)
        return result
    }

    private mutating func message(_ turn: Conversation.Turn, isOfToolTurn: Bool) throws(GenerationError) -> JSONValue {
        if let verbatim = turn.verbatim { return verbatim }
        if turn.role == .tool { return try toolMessage(turn) }
        var message = JSONObject()
        switch turn.role {
        // Only OpenAI has the `developer` role; other servers get these instructions as `system`.
        case .developer where !upstream.isOpenAI: message["role"] = "system"
        default: message["role"] = .string(turn.role.rawValue)
        }
        let said = turn.said
        let calls = turn.toolCalls
        message["content"] = said.isEmpty && !calls.isEmpty ? .null : try content(said)
        if let name = turn.name { message["name"] = .string(name) }
        if !calls.isEmpty { message["tool_calls"] = .array(calls.map(Self.toolCall)) }
        addReasoning(of: turn, isOfToolTurn: isOfToolTurn, to: &message)
        return .object(message)
    }

    private func content(_ parts: [Conversation.Part]) throws(GenerationError) -> JSONValue {
        if let text = Conversation.Turn(role: .user, parts: parts).plainText { return .string(text) }
        var list: [JSONValue] = []
        for part in parts { list.append(try self.part(part)) }
        return .array(list)
    }

    private func part(_ part: Conversation.Part) throws(GenerationError) -> JSONValue {
        var result: JSONObject
        switch part.content {
        case .text(let text): result = ["type": "text", "text": .string(text)]
        case .image(let url, let detail):
            var image: JSONObject = ["url": .string(url)]
            if let detail { image["detail"] = .string(detail) }
            result = ["type": "image_url", "image_url": .object(image)]
        case .file(let file):
            if file["file_data"] == nil, file["file_id"] == nil {
                throw .unsupported(
                    "files by URL: send the contents as 'file_data'", by: upstream, param: request.param(of: part.origin))
            }
            result = ["type": "file", "file": .object(file)]
        case .other(let value):
            guard value["type"]?.string == "input_audio" || part.isOfChat(request) else {
                throw .unsupported(
                    "content of type \(value["type"]?.string ?? "(none)")", by: upstream, param: request.param(of: part.origin))
            }
            return value
        case .reasoning, .call: return .null
        }
        if let mark = part.cacheControl { result["cache_control"] = mark }
        return .object(result)
    }

    // MARK: Tools

    private mutating func toolMessage(_ turn: Conversation.Turn) throws(GenerationError) -> JSONValue {
        let texts = turn.parts.filter(\.isText)
        let rest = turn.parts.filter { !$0.isText }
        var content = try self.content(texts)
        if !rest.isEmpty {
            if texts.isEmpty { content = "The result is in the next message." }
            attachments.append(["type": "text", "text": .string("Of the result of the tool call \(turn.callID ?? ""):")])
            for part in rest { attachments.append(try self.part(part)) }
        }
        return ["role": "tool", "content": content, "tool_call_id": .string(turn.callID ?? "")]
    }

    private mutating func flushAttachments() {
        if attachments.isEmpty { return }
        messages.append(["role": "user", "content": .array(attachments)])
        attachments = []
    }

    private static func toolCall(_ call: Conversation.ToolCall) -> JSONValue {
        var result: JSONObject = ["id": .string(call.id)]
        if call.isCustom {
            result["type"] = "custom"
            result["custom"] = ["name": .string(call.name), "input": .string(call.input)]
        } else {
            result["type"] = "function"
            // Servers parse the arguments, and an empty string is not valid JSON.
            let arguments = call.input.isEmpty ? "{}" : call.input
            result["function"] = ["name": .string(call.name), "arguments": .string(arguments)]
        }
        for (name, value) in call.provider?.own ?? [:] { result[name] = value }
        return .object(result)
    }

    // MARK: Reasoning

    /// Returns the model's reasoning to its provider. Details and signatures are always returned; plain reasoning only in
    /// conversation turns with tool calls, since some providers reject it elsewhere.
    private func addReasoning(of turn: Conversation.Turn, isOfToolTurn: Bool, to message: inout JSONObject) {
        guard turn.role == .assistant else { return }
        var texts: [String: String] = [:]
        for part in turn.parts {
            guard case .reasoning(let text, let provider) = part.content else { continue }
            let own = provider?.own
            // Reasoning of another dialect means nothing to this one.
            if provider != nil, own == nil { continue }
            var isTold = false
            for (name, value) in own ?? [:] where !ProviderData.ownMembers.contains(name) {
                isTold = isTold || name == "reasoning_details"
                message[name] = Self.joined(message[name], value)
            }
            guard isOfToolTurn, !isTold, !text.isEmpty else { continue }
            let member = own?["member"]?.string ?? "reasoning_content"
            texts[member] = texts[member].map { "\($0)\n\n\(text)" } ?? text
        }
        for (member, text) in texts { message[member] = .string(text) }
    }

    private static func joined(_ before: JSONValue?, _ value: JSONValue) -> JSONValue {
        if let list = before?.array, let more = value.array { return .array(list + more) }
        return value
    }
}

extension ProviderData {
    /// The provider's members if they came from Chat Completions.
    fileprivate var own: JSONObject? { dialect == Self.openAI ? members : nil }
}

extension Conversation.Turn {
    /// The content without reasoning and tool calls. Texts separated by either become paragraphs.
    fileprivate var said: [Conversation.Part] {
        var said = Conversation.Turn(role: role)
        var run: [Conversation.Part] = []
        for part in parts {
            if part.isSaid {
                run.append(part)
            } else {
                said.join(run)
                run = []
            }
        }
        said.join(run)
        return said.parts
    }
}

extension Conversation.Part {
    fileprivate var isText: Bool { if case .text = content { true } else { false } }
    /// Whether this part belongs in the message's `content`, rather than beside it.
    var isSaid: Bool {
        switch content {
        case .reasoning, .call: false
        default: true
        }
    }
    /// Whether the part came in a Chat Completions request, whose parts are passed on whatever their type.
    fileprivate func isOfChat(_ request: ModelRequest) -> Bool {
        guard let origin, request.items.indices.contains(origin.item) else { return false }
        return request.items[origin.item].chatMessage != nil
    }
}

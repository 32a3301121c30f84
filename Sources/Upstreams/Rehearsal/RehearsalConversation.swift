import JSON

/// The dialect that a request to the rehearsal model came in.
enum RehearsalDialect: String, Sendable {
    /// `POST /v1/chat/completions`.
    case chatCompletions = "openai"
    /// `POST /v1/messages`.
    case messages = "anthropic"
}

/// The text of a request's messages.
struct RehearsalConversation: Sendable {
    struct Message: Sendable, Equatable {
        var role: String
        var text: String
    }

    var messages: [Message]

    init(_ messages: [Message]) { self.messages = messages }

    /// Reads `messages` of either dialect, and Anthropic's `system` as a first message.
    /// - Throws: ``RehearsalRequestError``.
    init(_ body: JSONValue) throws(RehearsalRequestError) {
        guard let list = body["messages"]?.array, !list.isEmpty else {
            throw RehearsalRequestError("messages must be an array of at least one message.", param: "messages")
        }
        messages = []
        if let system = body["system"], !system.isNull { messages.append(Message(role: "system", text: Self.text(of: system))) }
        for (index, entry) in list.enumerated() {
            guard let role = entry["role"]?.string else {
                throw RehearsalRequestError(
                    "messages[\(index)] must be an object with a role.", param: "messages[\(index)].role")
            }
            messages.append(Message(role: role, text: entry["content"].map(Self.text) ?? ""))
        }
    }

    /// A string, or the texts of an array of parts; other parts (images, calls) have none.
    private static func text(of content: JSONValue) -> String {
        switch content {
        case .string(let text): return text
        case .array(let parts):
            let texts = parts.compactMap { $0["text"]?.string ?? $0["content"].map { text(of: $0) } ?? $0.string }
            return texts.filter { !$0.isEmpty }.joined(separator: "\n")
        default: return ""
        }
    }

    // MARK: What the answer needs to know

    /// The last user message, directives and all.
    var prompt: String { RehearsalText.withoutInterruptionNote(messages.last { $0.role == "user" }?.text ?? "") }

    private var promptIndex: Int? { messages.lastIndex { $0.role == "user" } }

    /// Whether a tool's result came after the prompt, so that the call which it asks for has been made.
    var hasToolResult: Bool { messages[(promptIndex ?? 0)...].contains { $0.role == "tool" } }

    /// The last answer before the prompt, when it was cut off and not meant to be continued.
    var cutAnswer: String? {
        guard let promptIndex, let answer = messages[..<promptIndex].last(where: { $0.role == "assistant" }) else { return nil }
        return RehearsalText.isCut(answer.text) ? answer.text : nil
    }

    /// An answer that goes on: the conversation before it, the text that was kept, and what was said meanwhile.
    struct Continuation: Sendable {
        var before: RehearsalConversation
        var kept: String
        var remark: String
    }

    /// What the answer shall go on from, when the conversation asks for it.
    var continuation: Continuation? {
        guard let possible = possibleContinuation, let index = answerIndex else { return nil }
        let after = messages[(index + 1)...]
        // A conversation that ends with the assistant's words is a prefill: the same wish without a note.
        return after.isEmpty || after.contains { RehearsalText.steerNote(in: $0.text) != nil } ? possible : nil
    }

    /// What it would go on from if it was asked to: notes do not stay in a conversation.
    var possibleContinuation: Continuation? {
        guard let index = answerIndex, !messages[index].text.isEmpty else { return nil }
        let remarks = messages[(index + 1)...].filter { $0.role == "user" }.map { Self.withoutNote($0.text) }
        return Continuation(
            before: RehearsalConversation(Array(messages[..<index])), kept: messages[index].text,
            remark: remarks.filter { !$0.isEmpty }.joined(separator: " "))
    }

    private var answerIndex: Int? { messages.lastIndex { $0.role == "assistant" } }

    /// The prompt as a person said it: no directives, no steer note.
    var saidText: String { Self.withoutNote(prompt) }

    private static func withoutNote(_ text: String) -> String {
        var text = RehearsalText.withoutInterruptionNote(RehearsalDirectives.removed(from: text))
        guard let note = RehearsalText.steerNote(in: text) else { return text }
        text.removeSubrange(note)
        return RehearsalText.trimmed(text)
    }

    /// FNV-1a over what was said: the seed when none is given, and what makes two prompts "the same". Instructions do not
    /// count, since a server may add to them.
    var hash: UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for message in messages where message.role != "system" && message.role != "developer" {
            for text in [message.role, message.text] {
                for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
                hash = (hash ^ 0xFF) &* 0x100_0000_01B3
            }
        }
        return hash
    }

    var tokenCount: Int { messages.reduce(0) { $0 + RehearsalText.wordCount($1.text) } }
}

/// A request that cannot be answered.
struct RehearsalRequestError: Error, Equatable {
    var message: String
    var param: String?

    init(_ message: String, param: String? = nil) {
        self.message = message
        self.param = param
    }
}

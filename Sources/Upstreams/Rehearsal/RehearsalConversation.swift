import JSON

/// The dialect of a request to the rehearsal model.
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

    /// Parses `messages` of either dialect, and Anthropic's `system` as a first message.
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

    /// A string, or the concatenated texts of a list of parts; other parts (images, calls) have no text.
    private static func text(of content: JSONValue) -> String {
        switch content {
        case .string(let text): return text
        case .array(let parts):
            let texts = parts.compactMap { $0["text"]?.string ?? $0["content"].map { text(of: $0) } ?? $0.string }
            return texts.filter { !$0.isEmpty }.joined(separator: "\n")
        default: return ""
        }
    }

    // MARK: Properties of the prompt

    /// The last user message, including its directives.
    var prompt: String { RehearsalText.withoutInterruptionNote(messages.last { $0.role == "user" }?.text ?? "") }

    private var promptIndex: Int? { messages.lastIndex { $0.role == "user" } }

    /// Whether a tool result follows the prompt, so that the requested call has already been made.
    var hasToolResult: Bool { messages[(promptIndex ?? 0)...].contains { $0.role == "tool" } }

    /// The last answer before the prompt, if it was cut off and is not to be continued.
    var cutAnswer: String? {
        guard let promptIndex, let answer = messages[..<promptIndex].last(where: { $0.role == "assistant" }) else { return nil }
        return RehearsalText.isCut(answer.text) ? answer.text : nil
    }

    /// An answer to continue: the conversation before it, its text so far, and the messages after it.
    struct Continuation: Sendable {
        var before: RehearsalConversation
        var text: String
        var remark: String
    }

    /// The answer to continue, if the conversation asks for that.
    var continuation: Continuation? {
        guard let possible = possibleContinuation, let index = answerIndex else { return nil }
        let after = messages[(index + 1)...]
        // A trailing assistant message is a prefill: the same request without a note.
        return after.isEmpty || after.contains { RehearsalText.steerNote(in: $0.text) != nil } ? possible : nil
    }

    /// The answer that a note would ask to continue: notes are not stored in a conversation.
    var possibleContinuation: Continuation? {
        guard let index = answerIndex, !messages[index].text.isEmpty else { return nil }
        let remarks = messages[(index + 1)...].filter { $0.role == "user" }.map { Self.withoutNote($0.text) }
        return Continuation(
            before: RehearsalConversation(Array(messages[..<index])), text: messages[index].text,
            remark: remarks.filter { !$0.isEmpty }.joined(separator: " "))
    }

    private var answerIndex: Int? { messages.lastIndex { $0.role == "assistant" } }

    /// The prompt as typed: without directives and notes.
    var saidText: String { Self.withoutNote(prompt) }

    private static func withoutNote(_ text: String) -> String {
        var text = RehearsalText.withoutInterruptionNote(RehearsalDirectives.removed(from: text))
        guard let note = RehearsalText.steerNote(in: text) else { return text }
        text.removeSubrange(note)
        return RehearsalText.trimmed(text)
    }

    /// FNV-1a of the conversation: the default seed, and the identity of a prompt. Instructions are excluded, since a server may
    /// add to them.
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

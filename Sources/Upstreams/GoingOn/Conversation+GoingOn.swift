import JSON
import Sessions

/// Continuing an interrupted answer: after a steer, which follows it in the conversation, or after a restart of the server.
extension Conversation {
    /// The request to continue, for models that cannot be prefilled.
    package static let steerNote = """
        Continue your answer above exactly where it stops, with this in mind. Do not repeat what you have already \
        written, and do not begin anew. If it stops within a word, begin with the whole of that word.
        """

    /// Ends the conversation with the assistant's text if the model continues it, otherwise with the note.
    mutating func goOn(_ request: ModelRequest, prefills: Bool) {
        guard let index = turns.lastIndex(where: { $0.role == .assistant }),
            turns[(index + 1)...].allSatisfy({ $0.role == .user })
        else {
            appendSteerNote()
            return
        }
        let said = turns[index].saidText
        let question = turns.last { $0.role == .user }?.saidText ?? ""
        if said.allSatisfy(\.isWhitespace) {
            // There is nothing to continue, so the question is asked again.
            turns.remove(at: index)
            continuation = Continuation(said, isPrefilled: false)
        } else if prefills, !request.hasCutAnswerOfOtherKind, let prefix = prefix(before: index) {
            continuation = Continuation(prefix + said, isPrefilled: true)
            prefill(from: index)
        } else {
            continuation = Continuation(said, isPrefilled: false, question: question)
            appendSteerNote()
        }
    }

    /// The prefill with which the client's own messages ended; nil if it cannot be joined with the rest.
    private func prefix(before index: Int) -> String? {
        guard index > 0, turns[index - 1].role == .assistant else { return "" }
        return turns[index - 1].plainText
    }

    /// Moves the answer to the end, behind the messages that arrived during it.
    private mutating func prefill(from index: Int) {
        guard let continuation else { return }
        var answer = turns.remove(at: index)
        answer.parts = answer.parts.filter { !$0.isSaid } + [.text(continuation.saidText)]
        if index > 0, turns[index - 1].role == .assistant { turns.remove(at: index - 1) }
        turns.append(answer)
    }

    private mutating func appendSteerNote() {
        guard let last = turns.lastIndex(where: { $0.role == .user }), turns[last...].allSatisfy({ $0.role == .user }) else {
            turns.append(Turn(role: .user, parts: [.text(Self.steerNote)]))
            return
        }
        // A changed chat message can no longer be passed on verbatim.
        turns[last].verbatim = nil
        turns[last].appendParagraph(Self.steerNote)
    }
}

extension Conversation.Turn {
    /// The concatenated texts; other parts between two texts make them paragraphs.
    fileprivate var saidText: String {
        var said = Conversation.Turn(role: role)
        for part in parts { if case .text = part.content { said.join([part]) } }
        return said.plainText ?? ""
    }
}

extension ModelRequest {
    /// Whether the interrupted answer has more than text and reasoning: a tool call or a refusal.
    fileprivate var hasCutAnswerOfOtherKind: Bool {
        guard let last = items.lastIndex(where: { $0.type == "message" && $0.role == "assistant" }) else { return true }
        if items[last].body["content"]?.array?.contains(where: { $0["type"]?.string == "refusal" }) ?? false { return true }
        for item in items[..<last].reversed() {
            switch item.type {
            case "function_call", "custom_tool_call": return true
            case "reasoning": continue
            case "message" where item.role == "assistant": continue
            default: return false
            }
        }
        return false
    }
}

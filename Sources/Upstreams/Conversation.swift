package import JSON
package import Sessions

/// A conversation in a form that upstreams accept, whatever their dialect: one turn for each message to send.
///
/// Upstreams are strict where sessions are not. Calls of tools without an output, outputs without a call, and calls that were cut
/// off are left out; outputs stand right behind their calls; reasoning is left out; neighbours of one role are one message.
package struct Conversation {
    package struct Turn {
        package enum Role: String { case system, developer, user, assistant, tool }

        package var role: Role
        package var parts: [Part] = []
        package var toolCalls: [ToolCall] = []
        /// For `tool`: the call that it answers.
        package var callID: String?
        /// The message of a Chat Completions request, to be passed on as it came.
        package var verbatim: JSONValue?
    }

    package enum Part {
        case text(String)
        /// - Parameter url: `https:` or `data:`.
        case image(url: String, detail: String?)
        /// The members `file_data`, `file_url`, `file_id`, `filename` as far as they came.
        case file(JSONObject)
        /// A part of Chat Completions that is passed on as it is.
        case other(JSONValue)
    }

    package struct ToolCall {
        package var id: String
        package var name: String
        /// JSON, as the model wrote it.
        package var arguments: String
    }

    /// Put after the last input when an answer is to be continued (mode `steer`).
    package static let steerNote = """
        Continue your answer above exactly where it stops, with this in mind. Do not repeat what you have already \
        written, and do not begin anew.
        """

    package private(set) var turns: [Turn] = []

    package init(_ request: ModelRequest) {
        self.init(
            items: request.items, instructions: request.parameters.instructions,
            continuesLastMessage: request.continuesLastMessage)
    }

    package init(items: [Item], instructions: String? = nil, continuesLastMessage: Bool = false) {
        if let instructions, !instructions.isEmpty { turns.append(Turn(role: .system, parts: [.text(instructions)])) }
        var builder = ConversationBuilder(items)
        for item in items { builder.take(item) }
        builder.flushCalls()
        turns += builder.turns
        if continuesLastMessage { appendSteerNote() }
        mergeNeighbours()
    }

    private mutating func appendSteerNote() {
        guard let last = turns.lastIndex(where: { $0.role == .user }), turns[last...].allSatisfy({ $0.role == .user }) else {
            turns.append(Turn(role: .user, parts: [.text(Self.steerNote)]))
            return
        }
        // What came as a chat message cannot be passed on as it came any more.
        turns[last].verbatim = nil
        if case .text(let text)? = turns[last].parts.last {
            turns[last].parts[turns[last].parts.count - 1] = .text("\(text)\n\n\(Self.steerNote)")
        } else {
            turns[last].parts.append(.text(Self.steerNote))
        }
    }

    /// Templates of many local models demand that user and assistant take turns.
    private mutating func mergeNeighbours() {
        var merged: [Turn] = []
        for turn in turns {
            guard let last = merged.last, last.role == turn.role, turn.role != .tool, last.verbatim == nil, turn.verbatim == nil,
                last.toolCalls.isEmpty
            else {
                merged.append(turn)
                continue
            }
            merged[merged.count - 1].join(turn)
        }
        turns = merged
    }
}

extension Conversation.Turn {
    /// Takes the neighbour's content and calls; texts that meet become one, as paragraphs.
    mutating func join(_ next: Conversation.Turn) {
        for (place, part) in next.parts.enumerated() {
            if place == 0, case .text(let text) = part, case .text(let before)? = parts.last {
                parts[parts.count - 1] = .text(before.isEmpty ? text : "\(before)\n\n\(text)")
            } else {
                parts.append(part)
            }
        }
        toolCalls += next.toolCalls
    }

    /// The texts, joined; nil when there is another part.
    package var plainText: String? {
        var text = ""
        for part in parts {
            guard case .text(let piece) = part else { return nil }
            text += piece
        }
        return text
    }
}

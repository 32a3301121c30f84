package import JSON
package import Sessions

/// A conversation in a form that upstreams of every dialect accept, with one `Turn` per message to send.
///
/// Upstreams are strict where sessions are not. Calls of tools without a result, results without a call, and calls that were cut
/// are left out; results stand right behind their calls; neighbours of one role and one speaker are one message.
package struct Conversation {
    /// One message to send.
    package struct Turn {
        package enum Role: String { case system, developer, user, assistant, tool }

        package var role: Role
        package var parts: [Part] = []
        /// Of a user: who speaks.
        package var name: String?
        /// Of a user: the answer before it was cut, and by whom.
        package var interruption: Interruption?
        /// For `tool`: the call that it answers, as ``ToolCall/id``.
        package var callID: String?
        /// The message of a Chat Completions request, to be passed on as it came.
        package var verbatim: JSONValue?
    }

    /// A cut, as the model is to be told of it.
    package struct Interruption {
        /// nil: nobody who has a name.
        package var name: String?
    }

    /// What a dialect, and the operator, want of it.
    package struct Form {
        package var callIDs = ToolCallNames.Form.asTheyCame
        /// Whether a message can say who speaks; else the text does.
        package var hasNames = true
        /// Whether the model writes on behind the assistant's words at the end.
        package var prefills = false
        package var wording = ConversationWording()

        package init(
            callIDs: ToolCallNames.Form = .asTheyCame, hasNames: Bool = true, prefills: Bool = false, wording: ConversationWording
        ) {
            self.callIDs = callIDs
            self.hasNames = hasNames
            self.prefills = prefills
            self.wording = wording
        }
    }

    /// A piece of a `Turn`'s content, in conversation order.
    package struct Part {
        package enum Content {
            case text(String)
            /// - Parameter url: `https:` or `data:`.
            case image(url: String, detail: String?)
            /// The members `file_data`, `file_url`, `file_id`, `filename` as far as they came.
            case file(JSONObject)
            /// - Parameter provider: what the upstream that reasoned must get back with it.
            case reasoning(String, provider: ProviderData?)
            case call(ToolCall)
            /// A part that is passed on as it is where the dialect has it.
            case other(JSONValue)
        }

        package var content: Content
        /// Anthropic's mark of what it shall remember.
        package var cacheControl: JSONValue?
        package var origin: Origin?

        package static func text(_ text: String) -> Part { Part(content: .text(text)) }
    }

    /// Where a part stands in the client's request, for errors that name it.
    package struct Origin {
        /// Index of the item in the conversation.
        package var item: Int
        /// As in `.content[0]`.
        package var member: String
    }

    /// A tool call that was answered.
    package struct ToolCall {
        /// Unique within the conversation; as the model named it, but where the name came more than once.
        package var id: String
        package var name: String
        /// JSON as the model wrote it; of a custom tool free text.
        package var input: String
        package var isCustom = false
        /// Members of a provider beside the call.
        package var provider: ProviderData?
    }

    package internal(set) var turns: [Turn] = []
    /// The answer that goes on, if it does.
    package internal(set) var continuation: Continuation?

    package init(_ request: ModelRequest, _ form: Form) {
        if let instructions = request.parameters.instructions, !instructions.isEmpty {
            turns.append(Turn(role: .system, parts: [.text(instructions)]))
        }
        var builder = ConversationBuilder(request.items, callIDs: form.callIDs)
        turns += builder.build()
        if request.continuesLastMessage { goOn(request, prefills: form.prefills) }
        mergeNeighbours()
        for index in turns.indices where turns[index].role == .user { turns[index].sayWhoSpeaks(form) }
    }

    /// Templates of many local models require alternating user and assistant messages. Inputs of two participants stay separate.
    private mutating func mergeNeighbours() {
        var merged: [Turn] = []
        for turn in turns {
            guard let last = merged.last, last.role == turn.role, turn.role != .tool, last.name == turn.name,
                last.verbatim == nil, turn.verbatim == nil, turn.interruption == nil, last.toolCalls.isEmpty
            else {
                merged.append(turn)
                continue
            }
            merged[merged.count - 1].join(turn.parts)
        }
        turns = merged
    }
}

extension Conversation.Turn {
    /// The calls among its parts.
    package var toolCalls: [Conversation.ToolCall] {
        parts.compactMap { if case .call(let call) = $0.content { call } else { nil } }
    }

    /// Takes more parts; texts that meet become one, as paragraphs.
    mutating func join(_ more: [Conversation.Part]) {
        for (place, part) in more.enumerated() {
            if place == 0, case .text(let text) = part.content, part.cacheControl == nil, case .text? = parts.last?.content,
                parts.last?.cacheControl == nil
            {
                appendParagraph(text)
            } else {
                parts.append(part)
            }
        }
    }

    /// Puts a text behind the last one.
    mutating func appendParagraph(_ text: String) {
        if case .text(let before)? = parts.last?.content {
            parts[parts.count - 1].content = .text(before.isEmpty ? text : "\(before)\n\n\(text)")
        } else {
            parts.append(.text(text))
        }
    }

    /// The texts, joined; nil when there is another part, or one that is marked.
    package var plainText: String? {
        var text = ""
        for part in parts {
            guard case .text(let piece) = part.content, part.cacheControl == nil else { return nil }
            text += piece
        }
        return text
    }

    /// Whether it says or calls anything: reasoning alone, or an answer that was cut before its first word, does not.
    var hasContent: Bool {
        parts.contains { part in
            switch part.content {
            case .text(let text): !text.isEmpty
            case .reasoning: false
            default: true
            }
        }
    }
}

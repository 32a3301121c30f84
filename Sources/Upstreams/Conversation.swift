package import JSON
package import Sessions

/// A conversation in a form that upstreams of every dialect accept, with one `Turn` per message to send.
///
/// Upstreams are stricter than sessions. Tool calls without a result, results without a call, and calls that were cut are omitted;
/// results directly follow their calls; adjacent messages of the same role and speaker are merged.
package struct Conversation {
    /// One message to send.
    package struct Turn {
        /// The author of a message.
        package enum Role: String { case system, developer, user, assistant, tool }

        package var role: Role
        /// The content, in order.
        package var parts: [Part] = []
        /// User only: the speaker.
        package var name: String?
        /// User only: the interruption of the answer before this message.
        package var interruption: Interruption?
        /// `tool` only: the call that this result answers, as ``ToolCall/id``.
        package var callID: String?
        /// A message of a Chat Completions request, to be passed on unchanged.
        package var verbatim: JSONValue?
    }

    /// An interruption, as the model is told about it.
    package struct Interruption {
        /// The participant that interrupted; nil without a name.
        package var name: String?
    }

    /// Options of the dialect and the operator.
    package struct Form {
        /// The identifiers that the dialect accepts for tool calls.
        package var callIDs = ToolCallNames.Form.asTheyCame
        /// Whether a message has a member for the speaker's name; otherwise the text states it.
        package var hasNames = true
        /// Whether the model continues a trailing assistant message.
        package var prefills = false
        /// The texts about speakers and interruptions.
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
        /// The types of content.
        package enum Content {
            case text(String)
            /// - Parameter url: `https:` or `data:`.
            case image(url: String, detail: String?)
            /// The members `file_data`, `file_url`, `file_id` and `filename` that were given.
            case file(JSONObject)
            /// - Parameter provider: data that must be returned to the upstream that produced the reasoning.
            case reasoning(String, provider: ProviderData?)
            case call(ToolCall)
            /// A part passed on unchanged if the dialect has its type.
            case other(JSONValue)
        }

        package var content: Content
        /// Anthropic's marker for prompt caching.
        package var cacheControl: JSONValue?
        /// Where the part came from; nil for a part that the server added.
        package var origin: Origin?

        /// An unmarked text.
        package static func text(_ text: String) -> Part { Part(content: .text(text)) }
    }

    /// The position of a part in the client's request, for error messages.
    package struct Origin {
        /// Index of the item in the conversation.
        package var item: Int
        /// Path within the item, for example `.content[0]`.
        package var member: String
    }

    /// A tool call that has a result.
    package struct ToolCall {
        /// Unique within the conversation: the model's own identifier, with a suffix if it occurs more than once.
        package var id: String
        /// The tool's name.
        package var name: String
        /// JSON as the model wrote it; free text for a custom tool.
        package var input: String
        /// Whether the tool takes free text instead of JSON.
        package var isCustom = false
        /// The provider's members beside the call.
        package var provider: ProviderData?
    }

    /// Messages in the order in which they are sent.
    package internal(set) var turns: [Turn] = []
    /// The answer to continue; nil when the request asks for a new one.
    package internal(set) var continuation: Continuation?

    /// Converts a request's instructions and items.
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

    /// Merges adjacent messages of one role, since the templates of many local models require alternating user and assistant
    /// messages. Inputs of two participants stay separate.
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
    /// The tool calls among the parts.
    package var toolCalls: [Conversation.ToolCall] {
        parts.compactMap { if case .call(let call) = $0.content { call } else { nil } }
    }

    /// Appends parts. A text that follows a text becomes a paragraph of it.
    mutating func join(_ more: [Conversation.Part]) {
        for (offset, part) in more.enumerated() {
            if offset == 0, case .text(let text) = part.content, part.cacheControl == nil, case .text? = parts.last?.content,
                parts.last?.cacheControl == nil
            {
                appendParagraph(text)
            } else {
                parts.append(part)
            }
        }
    }

    /// Appends a text to the last one, as a paragraph.
    mutating func appendParagraph(_ text: String) {
        if case .text(let before)? = parts.last?.content {
            parts[parts.count - 1].content = .text(before.isEmpty ? text : "\(before)\n\n\(text)")
        } else {
            parts.append(.text(text))
        }
    }

    /// The concatenated texts; nil if there is another kind of part or a cache marker.
    package var plainText: String? {
        var text = ""
        for part in parts {
            guard case .text(let piece) = part.content, part.cacheControl == nil else { return nil }
            text += piece
        }
        return text
    }

    /// Whether there is any text or call. Reasoning alone, or an answer cut before its first word, does not count.
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

import JSON

/// The texts that tell the model about speakers and interruptions; set by the operator.
public struct ConversationWording: Sendable, Hashable {
    /// First line of the user message after an interrupted answer. `{name}` is replaced by the participant that interrupted. Empty:
    /// no note.
    public var interruptionNote = ConversationWording.defaultInterruptionNote
    /// Prefix of a user's text for protocols without a member for the name; `{name}` is replaced by the speaker. Empty: no prefix.
    public var namePrefix = "{name}: "

    /// Initial value of ``interruptionNote``.
    public static let defaultInterruptionNote = "[{name} interrupted you here]"
    /// The default note for a participant without a name.
    static let namelessInterruptionNote = "[You were interrupted here]"

    /// The default texts.
    public init() {}

    /// The note for an interruption; nil if notes are disabled.
    func note(by name: String?) -> String? {
        if interruptionNote.isEmpty { return nil }
        if name == nil, interruptionNote == Self.defaultInterruptionNote { return Self.namelessInterruptionNote }
        return interruptionNote.replacing("{name}", with: name.map(Self.oneLine) ?? "the user")
    }

    func prefix(of name: String) -> String { namePrefix.replacing("{name}", with: Self.oneLine(name)) }

    /// Removes line breaks, so that a name cannot pose as a message.
    private static func oneLine(_ name: String) -> String {
        String(String.UnicodeScalarView(name.unicodeScalars.map { $0.properties.generalCategory == .control ? " " : $0 }))
    }

    /// The name in the form that providers accept: 1 to 64 letters, digits, `_` and `-`, with `_` for spaces and full stops. nil if
    /// any other character would be lost.
    static func memberName(_ name: String) -> String? {
        var result = ""
        for byte in name.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"),
                UInt8(ascii: "_"), UInt8(ascii: "-"):
                result.unicodeScalars.append(Unicode.Scalar(byte))
            case UInt8(ascii: " "), UInt8(ascii: "."): result += "_"
            default: return nil
            }
        }
        return (1...64).contains(result.utf8.count) ? result : nil
    }
}

extension Conversation.Turn {
    /// Prepends the note about an interruption, and the speaker unless the message's `name` has it.
    mutating func sayWhoSpeaks(_ form: Conversation.Form) {
        var opening = ""
        if let interruption, let note = form.wording.note(by: interruption.name) { opening = note + "\n" }
        if let name, verbatim == nil || !form.hasNames {
            self.name = form.hasNames ? ConversationWording.memberName(name) : nil
            if self.name == nil { opening += form.wording.prefix(of: name) }
        }
        if !opening.isEmpty { open(with: opening) }
    }

    private mutating func open(with opening: String) {
        if case .text(let text)? = parts.first?.content {
            parts[0].content = .text(opening + text)
        } else {
            parts.insert(.text(opening), at: 0)
        }
        guard var message = verbatim?.object else { return }
        switch message["content"] {
        case .string(let text)?: message["content"] = .string(opening + text)
        case .array(let list)?: message["content"] = .array([["type": "text", "text": .string(opening)]] + list)
        default: message["content"] = .string(opening)
        }
        verbatim = .object(message)
    }
}

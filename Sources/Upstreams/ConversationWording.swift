import JSON

/// The texts that tell the model the speaker and an interruption; set by the operator.
public struct ConversationWording: Sendable, Hashable {
    /// First line of the user's message after an interrupted answer; `{name}` is replaced by the participant that interrupted.
    /// Empty: none.
    public var interruptionNote = ConversationWording.defaultInterruptionNote
    /// Put before a user's words where the protocol has no place for the name. Empty: none.
    public var namePrefix = "{name}: "

    public static let defaultInterruptionNote = "[{name} interrupted you here]"
    /// The same where nobody has a name.
    static let namelessInterruptionNote = "[You were interrupted here]"

    public init() {}

    /// nil: no note.
    func note(by name: String?) -> String? {
        if interruptionNote.isEmpty { return nil }
        if name == nil, interruptionNote == Self.defaultInterruptionNote { return Self.namelessInterruptionNote }
        return interruptionNote.replacing("{name}", with: name.map(Self.oneLine) ?? "the user")
    }

    func prefix(of name: String) -> String { namePrefix.replacing("{name}", with: Self.oneLine(name)) }

    /// A name that must not pass for more than one.
    private static func oneLine(_ name: String) -> String {
        String(String.UnicodeScalarView(name.unicodeScalars.map { $0.properties.generalCategory == .control ? " " : $0 }))
    }

    /// The name as providers take it in `name`: 1 to 64 letters, digits, `_` and `-`, with `_` for blanks and dots; nil when more
    /// than that would be lost.
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
    /// Puts before what is said that the answer before it was cut, and who speaks, unless the message's `name` tells.
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

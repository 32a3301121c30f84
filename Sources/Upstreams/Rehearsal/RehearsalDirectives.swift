import JSON

/// Options of a request to the rehearsal model: `[[rehearsal key=value …]]` in the last user message, or the body's `rehearsal`
/// object, which takes precedence (Protocols/rehearsal.md, "Directives").
struct RehearsalDirectives: Sendable, Equatable {
    /// Length of the answer in tokens.
    var tokens: Int?
    /// Tokens per second; 0: as fast as the connection accepts them.
    var pace: Int?
    var seed: UInt64?
    var firstTokenMilliseconds = 0
    /// The faults to inject, at most one of each kind, in no order.
    var faults: [RehearsalFault] = []
    var status: Int?
    var retryAfterSeconds: Int?
    /// Number of requests with the same prompt that fail; nil: all.
    var faultyRequestCount: Int?
    var tool: String?
    var echo = false
    var repeatedText: String?

    /// Upper limit of ``tokens`` and of ``pace``.
    static let maxTokens = 1_000_000
    static let maxPace = 1_000_000
    static let maxFirstTokenMilliseconds = 600_000
    static let maxRetryAfterSeconds = 86_400
    static let maxToolNameBytes = 64
    static let maxRepeatedTextBytes = 4096

    init() {}

    /// Sets one option; an unknown key is ignored.
    /// - Throws: ``RehearsalDirectiveError`` for an invalid value.
    mutating func set(_ key: String, _ value: String) throws(RehearsalDirectiveError) {
        switch key {
        case "tokens": tokens = try Self.integer(key, value, 1...Self.maxTokens)
        case "pace": pace = try Self.integer(key, value, 0...Self.maxPace)
        case "seed":
            guard let number = UInt64(value) else {
                throw RehearsalDirectiveError(key, value, "a whole number from 0 to \(UInt64.max)")
            }
            seed = number
        case "first_token_ms":
            firstTokenMilliseconds = try Self.integer(key, value, 0...Self.maxFirstTokenMilliseconds)
        case "status": status = try Self.integer(key, value, 400...599)
        case "retry_after": retryAfterSeconds = try Self.integer(key, value, 0...Self.maxRetryAfterSeconds)
        case "fail_times": faultyRequestCount = try Self.integer(key, value, 0...Self.maxTokens)
        case "tool": tool = try Self.toolName(key, value)
        case "echo": echo = try Self.truth(key, value)
        case "text":
            guard !value.isEmpty, value.utf8.count <= Self.maxRepeatedTextBytes else {
                throw RehearsalDirectiveError(key, value, "a text of 1 to \(Self.maxRepeatedTextBytes) bytes")
            }
            repeatedText = value
        default:
            guard let kind = RehearsalFault.Kind(rawValue: key) else { return }
            let after = try Self.integer(key, value, 0...Self.maxTokens)
            faults.removeAll { $0.kind == kind }
            faults.append(RehearsalFault(kind: kind, afterTokenCount: after))
        }
    }

    private static func integer(
        _ key: String, _ value: String, _ range: ClosedRange<Int>
    ) throws(RehearsalDirectiveError) -> Int {
        guard let number = Int(value), range.contains(number) else {
            throw RehearsalDirectiveError(key, value, "a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    private static func truth(_ key: String, _ value: String) throws(RehearsalDirectiveError) -> Bool {
        switch value {
        case "1", "true": return true
        case "0", "false": return false
        default: throw RehearsalDirectiveError(key, value, "0 or 1")
        }
    }

    private static func toolName(_ key: String, _ value: String) throws(RehearsalDirectiveError) -> String {
        let isName = value.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
                return true
            default: return false
            }
        }
        guard isName, (1...maxToolNameBytes).contains(value.utf8.count) else {
            throw RehearsalDirectiveError(key, value, "a name of 1 to \(maxToolNameBytes) letters, digits, _ and -")
        }
        return value
    }
}

/// A deliberate fault.
struct RehearsalFault: Sendable, Equatable {
    /// The faults, named as their directives. Of several at the same token, the first in this list takes effect first.
    enum Kind: String, Sendable, CaseIterable {
        case cut = "fail_after"
        case error = "error_after"
        case end = "end_after"
        case garbage = "garbage_after"
        case stall = "stall_after"
    }

    var kind: Kind
    var afterTokenCount: Int
}

/// A directive with an invalid value.
struct RehearsalDirectiveError: Error, Equatable, CustomStringConvertible {
    let key: String
    /// The given value, shortened.
    let value: String
    /// The valid values.
    let expected: String

    init(_ key: String, _ value: String, _ expected: String) {
        self.key = key
        self.value = String(value.prefix(40))
        self.expected = expected
    }

    var description: String { "rehearsal directive \(key)=\(value): the value must be \(expected)." }
}

// MARK: - Parsing

extension RehearsalDirectives {
    /// Parses the directives of a prompt and then those of the body, which take precedence.
    /// - Parameter object: the body's `rehearsal` member.
    init(prompt: String, object: JSONValue?) throws(RehearsalDirectiveError) {
        for block in Self.blocks(in: prompt) {
            let inner = prompt[block].dropFirst(Self.opening.count).dropLast(Self.closing.count)
            for word in inner.split(whereSeparator: \.isWhitespace) {
                guard let equals = word.firstIndex(of: "=") else { continue }
                try set(String(word[..<equals]), String(word[word.index(after: equals)...]))
            }
        }
        guard let object, !object.isNull else { return }
        guard let members = object.object else {
            throw RehearsalDirectiveError("rehearsal", object.description, "an object in the body")
        }
        for (key, value) in members {
            switch value {
            case .null: continue
            case .string(let text): try set(key, text)
            case .bool(let truth): try set(key, truth ? "1" : "0")
            case .number(let number): try set(key, number.int.map(String.init) ?? number.text)
            case .array, .object: try set(key, value.description)
            }
        }
    }

    /// The text without directives, trimmed.
    static func removed(from text: String) -> String {
        let blocks = blocks(in: text)
        if blocks.isEmpty { return RehearsalText.trimmed(text) }
        var rest = ""
        var position = text.startIndex
        for block in blocks {
            rest += text[position..<block.lowerBound]
            position = block.upperBound
        }
        rest += text[position...]
        return RehearsalText.trimmed(rest)
    }

    private static let opening = "[[rehearsal"
    private static let closing = "]]"

    /// The ranges of `[[rehearsal` to `]]`; an unclosed block is text.
    private static func blocks(in text: String) -> [Range<String.Index>] {
        var blocks: [Range<String.Index>] = []
        var rest = text[...]
        while let start = RehearsalText.find(opening, in: rest) {
            rest = text[start.upperBound...]
            guard let next = rest.first, next.isWhitespace || next == "]" else { continue }
            guard let end = RehearsalText.find(closing, in: rest) else { break }
            blocks.append(start.lowerBound..<end.upperBound)
            rest = text[end.upperBound...]
        }
        return blocks
    }
}

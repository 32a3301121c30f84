/// Validates UTF-8 (RFC 3629) incrementally, in pieces of any size.
///
/// An invalid byte is detected at once, even within a character, so a WebSocket endpoint can fail a message before its end (RFC
/// 6455 §8.1). The state is one byte.
public struct UTF8Validator: Sendable {
    /// What the next byte must be.
    private enum Expectation: UInt8 {
        /// The first byte of a character.
        case lead
        /// One, two or three plain continuation bytes (80...BF).
        case one, two, three
        /// The second byte of a character whose range is narrower than 80...BF: no overlong form, no surrogate,
        /// nothing above U+10FFFF.
        case afterE0, afterED, afterF0, afterF4
        /// Nothing is valid any more.
        case never
    }

    private var expectation = Expectation.lead

    public init() {}

    /// Whether the bytes so far end at a character boundary, as a complete text must.
    public var isComplete: Bool { expectation == .lead }

    /// Starts a new text.
    public mutating func reset() { expectation = .lead }

    /// Validates the next piece of the text.
    ///
    /// - Returns: false once the bytes so far cannot begin a well-formed text, and on every later call. O(n).
    public mutating func validate(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard let start = bytes.baseAddress else { return expectation != .never }
        var position = 0
        while expectation != .lead {
            if position == bytes.count { return expectation != .never }
            guard step(start.load(fromByteOffset: position, as: UInt8.self)) else { return false }
            position += 1
        }
        position = Self.skipCharacters(start, from: position, count: bytes.count)
        // Nothing is left, or less than a character, or something malformed.
        while position < bytes.count {
            guard step(start.load(fromByteOffset: position, as: UInt8.self)) else { return false }
            position += 1
        }
        return true
    }

    /// Takes one byte.
    mutating func step(_ byte: UInt8) -> Bool {
        switch (expectation, byte) {
        case (.lead, 0x00...0x7F): expectation = .lead
        case (.lead, 0xC2...0xDF): expectation = .one
        case (.lead, 0xE0): expectation = .afterE0
        case (.lead, 0xED): expectation = .afterED
        case (.lead, 0xE1...0xEF): expectation = .two
        case (.lead, 0xF0): expectation = .afterF0
        case (.lead, 0xF1...0xF3): expectation = .three
        case (.lead, 0xF4): expectation = .afterF4
        case (.one, 0x80...0xBF): expectation = .lead
        case (.two, 0x80...0xBF), (.afterE0, 0xA0...0xBF), (.afterED, 0x80...0x9F): expectation = .one
        case (.three, 0x80...0xBF), (.afterF0, 0x90...0xBF), (.afterF4, 0x80...0x8F): expectation = .two
        default: expectation = .never
        }
        return expectation != .never
    }
}

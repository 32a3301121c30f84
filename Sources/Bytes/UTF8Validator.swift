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

    /// Whether `bytes` are complete, well-formed UTF-8.
    public static func isValid(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var validator = UTF8Validator()
        return validator.validate(bytes) && validator.isComplete
    }

    /// Validates the next piece of the text.
    ///
    /// - Returns: false once the bytes so far cannot begin a well-formed text, and on every later call. O(n); ASCII is taken 32
    ///   bytes at a time.
    public mutating func validate(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard let start = bytes.baseAddress else { return expectation != .never }
        let count = bytes.count
        var position = 0
        while true {
            while expectation != .lead {
                if position == count { return expectation != .never }
                guard step(start.load(fromByteOffset: position, as: UInt8.self)) else { return false }
                position += 1
            }
            position = Self.skipASCII(start, from: position, count: count)
            guard skipCharacters(start, at: &position, count: count) else {
                expectation = .never
                return false
            }
            if position == count { return true }
            // With four bytes to look at, the next one is ASCII again.
            if count - position >= 4 { continue }
            guard step(start.load(fromByteOffset: position, as: UInt8.self)) else { return false }
            position += 1
        }
    }

    /// The position of the first byte that is not ASCII.
    private static func skipASCII(_ start: UnsafeRawPointer, from first: Int, count: Int) -> Int {
        let highBits: UInt64 = 0x8080_8080_8080_8080
        var position = first
        while count - position >= 32 {
            let a = start.loadUnaligned(fromByteOffset: position, as: UInt64.self)
            let b = start.loadUnaligned(fromByteOffset: position + 8, as: UInt64.self)
            let c = start.loadUnaligned(fromByteOffset: position + 16, as: UInt64.self)
            let d = start.loadUnaligned(fromByteOffset: position + 24, as: UInt64.self)
            if (a | b | c | d) & highBits != 0 { break }
            position += 32
        }
        while count - position >= 8 {
            let word = UInt64(littleEndian: start.loadUnaligned(fromByteOffset: position, as: UInt64.self)) & highBits
            if word != 0 { return position + word.trailingZeroBitCount / 8 }
            position += 8
        }
        while position < count, start.load(fromByteOffset: position, as: UInt8.self) < 0x80 { position += 1 }
        return position
    }

    /// Skips whole characters outside ASCII while four bytes can be looked at together.
    ///
    /// - Returns: false when they are malformed.
    private func skipCharacters(_ start: UnsafeRawPointer, at position: inout Int, count: Int) -> Bool {
        while count - position >= 4 {
            let word = UInt32(littleEndian: start.loadUnaligned(fromByteOffset: position, as: UInt32.self))
            if word & 0x80 == 0 { return true }
            if word & 0xC0_C0F0 == 0x80_80E0 {
                // Neither overlong (E0 80...9F) nor a surrogate (ED A0...BF).
                guard word & 0x200F != 0, word & 0x200F != 0x200D else { return false }
                position += 3
            } else if word & 0xC0E0 == 0x80C0 {
                guard word & 0x1E != 0 else { return false }
                position += 2
            } else if word & 0xC0C0_C0F8 == 0x8080_80F0 {
                // Neither overlong (F0 80...8F) nor above U+10FFFF (F4 90... and F5...).
                guard word & 0x3007 != 0, word & 0x04 == 0 || word & 0x3003 == 0 else { return false }
                position += 4
            } else {
                return false
            }
        }
        return true
    }

    /// Takes one byte.
    private mutating func step(_ byte: UInt8) -> Bool {
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

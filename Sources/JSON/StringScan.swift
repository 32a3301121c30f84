import Bytes

/// Finds the end of a JSON string and checks it (RFC 8259 §7) in one pass.
struct StringScan {
    /// Offset of the closing quote.
    var end: Int
    var hasEscapes: Bool

    /// - Parameter offset: of the first byte after the opening quote.
    @inline(__always)
    init(_ start: UnsafeRawPointer, from offset: Int, byteCount: Int) throws(JSONError) {
        var position = offset
        var seen: UInt64 = 0
        hasEscapes = false
        while true {
            let byte = Self.skipPlain(start, &position, byteCount, &seen)
            if byte == UInt8(ascii: "\"") { break }
            if position >= byteCount { throw JSONError(.unexpectedEnd, byteOffset: byteCount) }
            guard byte == UInt8(ascii: "\\") else {
                throw JSONError(.unescapedControlCharacter, byteOffset: position)
            }
            hasEscapes = true
            position += try Self.escapeLength(start, at: position, byteCount: byteCount)
        }
        end = position
        if seen & SWAR.highBits != 0 {
            let contents = UnsafeRawBufferPointer(start: start + offset, count: position - offset)
            if let bad = UTF8Validator.firstInvalidOffset(contents) {
                throw JSONError(.invalidUTF8, byteOffset: offset + bad)
            }
        }
    }

    /// Moves to the next special byte and returns it, 0 at the end of the input; accumulates the skipped bytes in `seen`.
    @inline(__always)
    private static func skipPlain(
        _ start: UnsafeRawPointer, _ position: inout Int, _ byteCount: Int, _ seen: inout UInt64
    ) -> UInt8 {
        var runLength = 0
        while position + 8 <= byteCount {
            let word = SWAR.load(start, position)
            let marks = SWAR.stringSpecials(word)
            if marks != 0 {
                let plain = SWAR.bytesBefore(marks)
                seen |= word & ((1 << UInt64(plain * 8)) &- 1)
                position += plain
                return start.load(fromByteOffset: position, as: UInt8.self)
            }
            seen |= word
            position += 8
            runLength += 8
            if runLength == 32 { skipLongRun(start, &position, byteCount, &seen) }
        }
        while position < byteCount {
            let byte = start.load(fromByteOffset: position, as: UInt8.self)
            if byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { return byte }
            seen |= UInt64(byte)
            position += 1
        }
        return 0
    }

    /// For long runs of base64 or prose: 32 bytes per iteration.
    ///
    /// Words rather than `SIMD16`: the same loop with vector compares and `any` ran at 56 MB/s in a release build (Swift 6.3.1,
    /// x86-64), this one at 17 GB/s. The slow vector operation was not identified.
    @inline(__always)
    private static func skipLongRun(
        _ start: UnsafeRawPointer, _ position: inout Int, _ byteCount: Int, _ seen: inout UInt64
    ) {
        while position + 32 <= byteCount {
            let first = SWAR.load(start, position)
            let second = SWAR.load(start, position + 8)
            let third = SWAR.load(start, position + 16)
            let fourth = SWAR.load(start, position + 24)
            let marks =
                SWAR.stringSpecials(first) | SWAR.stringSpecials(second) | SWAR.stringSpecials(third)
                | SWAR.stringSpecials(fourth)
            if marks != 0 { return }
            seen |= first | second | third | fourth
            position += 32
        }
    }

    /// Length of the escape whose backslash is at `offset`.
    private static func escapeLength(
        _ start: UnsafeRawPointer, at offset: Int, byteCount: Int
    ) throws(JSONError) -> Int {
        guard offset + 1 < byteCount else { throw JSONError(.unexpectedEnd, byteOffset: byteCount) }
        switch start.load(fromByteOffset: offset + 1, as: UInt8.self) {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
            UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
            return 2
        case UInt8(ascii: "u"):
            for digit in offset + 2..<offset + 6 {
                guard digit < byteCount else { throw JSONError(.unexpectedEnd, byteOffset: byteCount) }
                guard Hexadecimal.value(start.load(fromByteOffset: digit, as: UInt8.self)) != nil else {
                    throw JSONError(.invalidEscape, byteOffset: offset)
                }
            }
            return 6
        default: throw JSONError(.invalidEscape, byteOffset: offset)
        }
    }
}

enum Hexadecimal {
    @inline(__always)
    static func value(_ digit: UInt8) -> UInt16? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt16(digit &- UInt8(ascii: "0"))
        case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt16(digit &- UInt8(ascii: "a") &+ 10)
        case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt16(digit &- UInt8(ascii: "A") &+ 10)
        default: nil
        }
    }
}

public import Bytes

extension ByteBuffer {
    /// Appends the string in quotes, with the escapes that RFC 8259 §7 requires and no others.
    public mutating func appendJSONString(_ string: String) {
        append(UInt8(ascii: "\""))
        appendJSONStringContents(string)
        append(UInt8(ascii: "\""))
    }

    /// Appends UTF-8 as a string in quotes; invalid sequences become U+FFFD.
    public mutating func appendJSONString(utf8: UnsafeRawBufferPointer) {
        append(UInt8(ascii: "\""))
        appendJSONStringContents(utf8: utf8)
        append(UInt8(ascii: "\""))
    }

    /// Appends a string read from another JSON text, in quotes, with its escapes unchanged.
    @inlinable public mutating func appendJSONString(_ raw: RawString) {
        append(UInt8(ascii: "\""))
        append(raw.bytes)
        append(UInt8(ascii: "\""))
    }

    /// Like ``appendJSONString(_:)-(String)`` without the quotes, for strings written in pieces.
    public mutating func appendJSONStringContents(_ string: String) {
        var copy = string
        copy.withUTF8 { appendEscaped(UnsafeRawBufferPointer($0), isKnownUTF8: true) }
    }

    /// Like ``appendJSONString(utf8:)`` without the quotes. A character must not be split between two calls.
    public mutating func appendJSONStringContents(utf8: UnsafeRawBufferPointer) {
        appendEscaped(utf8, isKnownUTF8: false)
    }

    private mutating func appendEscaped(_ bytes: UnsafeRawBufferPointer, isKnownUTF8: Bool) {
        guard let start = bytes.baseAddress else { return }
        let byteCount = bytes.count
        let nonASCII: UInt64 = isKnownUTF8 ? 0 : SWAR.highBits
        var runStart = 0
        var position = 0
        reserve(byteCount)
        while position < byteCount {
            if position + 8 <= byteCount {
                let word = SWAR.load(start, position)
                let marks = SWAR.stringSpecials(word) | word & nonASCII
                if marks == 0 {
                    position += 8
                    continue
                }
                position += SWAR.bytesBefore(marks)
            }
            let byte = start.load(fromByteOffset: position, as: UInt8.self)
            if byte >= 0x80, !isKnownUTF8 {
                let length = UTF8Validator.sequenceLength(start + position, byteCount: byteCount - position)
                if length < 0 {
                    append(UnsafeRawBufferPointer(start: start + runStart, count: position - runStart))
                    append("\u{FFFD}" as StaticString)
                    runStart = position - length
                }
                // number-safe: a UTF-8 sequence has -4 to 4 bytes
                position += abs(length)
            } else if byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") {
                append(UnsafeRawBufferPointer(start: start + runStart, count: position - runStart))
                appendEscape(byte)
                position += 1
                runStart = position
            } else {
                position += 1
            }
        }
        append(UnsafeRawBufferPointer(start: start + runStart, count: position - runStart))
    }

    private mutating func appendEscape(_ byte: UInt8) {
        append(UInt8(ascii: "\\"))
        switch byte {
        case 8: append(UInt8(ascii: "b"))
        case 9: append(UInt8(ascii: "t"))
        case 10: append(UInt8(ascii: "n"))
        case 12: append(UInt8(ascii: "f"))
        case 13: append(UInt8(ascii: "r"))
        case 0..<0x20:
            append("u00" as StaticString)
            append(byte >> 4 &+ UInt8(ascii: "0"))
            append(byte & 15 < 10 ? byte & 15 &+ UInt8(ascii: "0") : byte & 15 &- 10 &+ UInt8(ascii: "a"))
        default: append(byte)
        }
    }
}

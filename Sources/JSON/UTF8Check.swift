/// UTF-8 validation of a complete run of bytes (RFC 3629); strings within a JSON text are never split.
enum UTF8Check {
    /// Offset of the first byte outside a well-formed sequence; nil if there is none.
    static func firstInvalidOffset(_ start: UnsafeRawPointer, byteCount: Int) -> Int? {
        var offset = 0
        while offset < byteCount {
            if offset + 8 <= byteCount,
                start.loadUnaligned(fromByteOffset: offset, as: UInt64.self) & SWAR.highBits == 0
            {
                offset += 8
                continue
            }
            let length = sequenceLength(start + offset, byteCount: byteCount - offset)
            if length <= 0 { return offset }
            offset += length
        }
        return nil
    }

    /// Length of the well-formed sequence at `start`, or minus the length of the maximal ill-formed subpart that one
    /// U+FFFD stands for (Unicode 15 §3.9, table 3-7). `byteCount` must be at least 1.
    @inline(__always)
    static func sequenceLength(_ start: UnsafeRawPointer, byteCount: Int) -> Int {
        let first = start.load(as: UInt8.self)
        if first < 0x80 { return 1 }
        // The second byte's range excludes overlong forms, surrogates and code points above U+10FFFF.
        var lowest: UInt8 = 0x80
        var highest: UInt8 = 0xBF
        let length: Int
        switch first {
        case 0xC2...0xDF: length = 2
        case 0xE0:
            length = 3
            lowest = 0xA0
        case 0xED:
            length = 3
            highest = 0x9F
        case 0xE1...0xEF: length = 3
        case 0xF0:
            length = 4
            lowest = 0x90
        case 0xF1...0xF3: length = 4
        case 0xF4:
            length = 4
            highest = 0x8F
        default: return -1
        }
        guard byteCount > 1 else { return -1 }
        let second = start.load(fromByteOffset: 1, as: UInt8.self)
        guard second >= lowest, second <= highest else { return -1 }
        var position = 2
        while position < length {
            guard position < byteCount, start.load(fromByteOffset: position, as: UInt8.self) & 0xC0 == 0x80 else {
                return -position
            }
            position += 1
        }
        return length
    }
}

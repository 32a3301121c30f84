/// A text so far, by its length and hash (FNV-1a), so that its repetition is recognised without keeping it.
///
/// Counts the text and not how it is escaped: `\u00e9` and `é` are the same. A collision could only harm the answer of the upstream
/// that made it.
struct TextDigest: Equatable {
    private(set) var byteCount = 0
    private var hash: UInt64 = 0xCBF2_9CE4_8422_2325

    /// - Parameter escaped: valid contents of a JSON string.
    mutating func add(_ escaped: UnsafeRawBufferPointer) {
        var position = 0
        while position < escaped.count { step(escaped, &position) }
    }

    /// Where in the string the text goes on after this one, its length if it is the same; nil if it does not begin with it.
    func end(in escaped: UnsafeRawBufferPointer) -> Int? {
        var other = TextDigest()
        var position = 0
        while other.byteCount < byteCount, position < escaped.count { other.step(escaped, &position) }
        return other == self ? position : nil
    }

    @inline(__always)
    private mutating func mix(_ byte: UInt8) {
        hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3
        byteCount += 1
    }

    /// Takes one byte or one escape.
    @inline(__always)
    private mutating func step(_ escaped: UnsafeRawBufferPointer, _ position: inout Int) {
        let byte = escaped[position]
        if byte != UInt8(ascii: "\\") {
            mix(byte)
            position += 1
        } else {
            takeEscape(escaped, &position)
        }
    }

    private mutating func takeEscape(_ escaped: UnsafeRawBufferPointer, _ position: inout Int) {
        let letter = position + 1 < escaped.count ? escaped[position + 1] : UInt8(ascii: "\\")
        guard letter == UInt8(ascii: "u"), let unit = Self.codeUnit(escaped, position) else {
            position += 2
            switch letter {
            case UInt8(ascii: "b"): mix(8)
            case UInt8(ascii: "f"): mix(12)
            case UInt8(ascii: "n"): mix(10)
            case UInt8(ascii: "r"): mix(13)
            case UInt8(ascii: "t"): mix(9)
            default: mix(letter)
            }
            return
        }
        position += 6
        var scalar = UInt32(unit)
        if unit & 0xFC00 == 0xD800, let low = Self.codeUnit(escaped, position), low & 0xFC00 == 0xDC00 {
            position += 6
            scalar = 0x10000 + ((UInt32(unit) & 0x3FF) << 10 | UInt32(low) & 0x3FF)
        }
        for byte in String(Unicode.Scalar(scalar) ?? "\u{FFFD}").utf8 { mix(byte) }
    }

    private static func codeUnit(_ escaped: UnsafeRawBufferPointer, _ position: Int) -> UInt16? {
        guard position + 6 <= escaped.count, escaped[position] == UInt8(ascii: "\\"), escaped[position + 1] == UInt8(ascii: "u")
        else { return nil }
        var unit: UInt16 = 0
        for digit in escaped[position + 2..<position + 6] {
            switch digit {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): unit = unit << 4 | UInt16(digit - UInt8(ascii: "0"))
            case UInt8(ascii: "a")...UInt8(ascii: "f"): unit = unit << 4 | UInt16(digit - UInt8(ascii: "a") + 10)
            case UInt8(ascii: "A")...UInt8(ascii: "F"): unit = unit << 4 | UInt16(digit - UInt8(ascii: "A") + 10)
            default: return nil
            }
        }
        return unit
    }
}

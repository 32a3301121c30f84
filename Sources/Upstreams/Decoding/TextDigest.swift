/// Length and hash of the text so far, to recognise its repetition without storing it.
///
/// Hashes the text, however it is escaped: `\u00e9` and `é` are equal. A forged collision could only harm the answer of the
/// upstream that made it.
struct TextDigest: Equatable {
    private(set) var byteCount = 0
    private var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    /// The trailing bytes that do not fill a word yet. Hashing by word, because byte by byte takes a millisecond a megabyte.
    private var partial: UInt64 = 0

    /// - Parameter escaped: valid contents of a JSON string.
    mutating func add(_ escaped: UnsafeRawBufferPointer) {
        var position = 0
        takeWords(escaped, &position, upTo: .max)
        while position < escaped.count {
            step(escaped, &position)
            takeWords(escaped, &position, upTo: .max)
        }
    }

    /// The offset at which `escaped` continues after this text (its length if the two are equal); nil if it does not begin with
    /// this text.
    func end(in escaped: UnsafeRawBufferPointer) -> Int? {
        var other = TextDigest()
        var position = 0
        while other.byteCount < byteCount, position < escaped.count {
            other.takeWords(escaped, &position, upTo: byteCount)
            guard other.byteCount < byteCount, position < escaped.count else { break }
            other.step(escaped, &position)
        }
        return other == self ? position : nil
    }

    @inline(__always)
    private mutating func mix(_ byte: UInt8) {
        partial |= UInt64(byte) << shift
        byteCount += 1
        if byteCount & 7 == 0 {
            mixWord(partial)
            partial = 0
        }
    }

    /// Number of bits of ``partial`` in use.
    private var shift: UInt64 { UInt64(truncatingIfNeeded: byteCount & 7) * 8 }

    @inline(__always)
    private mutating func mixWord(_ word: UInt64) {
        hash = (hash ^ word) &* 0x9E37_79B9_7F4A_7C15
        hash ^= hash >> 32
    }

    /// Consumes eight bytes at a time, up to a word that contains a backslash or would exceed `limit`.
    @inline(__always)
    private mutating func takeWords(_ escaped: UnsafeRawBufferPointer, _ position: inout Int, upTo limit: Int) {
        let shift = shift
        while escaped.count - position >= 8, limit - byteCount >= 8 {
            let word = UInt64(littleEndian: escaped.loadUnaligned(fromByteOffset: position, as: UInt64.self))
            let marked = word ^ 0x5C5C_5C5C_5C5C_5C5C
            if (marked &- 0x0101_0101_0101_0101) & ~marked & 0x8080_8080_8080_8080 != 0 { return }
            mixWord(partial | word << shift)
            partial = shift == 0 ? 0 : word >> (64 - shift)
            byteCount += 8
            position += 8
        }
    }

    /// Consumes one byte or one escape sequence.
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

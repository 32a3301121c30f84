public import Bytes
import Glibc

extension RawString {
    /// Writes the unescaped UTF-8, which is never longer than `byteCount`; returns its length.
    func unescape(into room: UnsafeMutableRawPointer?) -> Int {
        guard let room else { return 0 }
        var written = 0
        var runStart = 0
        var position = 0
        while position < byteCount {
            if position + 8 <= byteCount {
                let marks = SWAR.stringSpecials(SWAR.load(start, position))
                if marks == 0 {
                    position += 8
                    continue
                }
                position += SWAR.bytesBefore(marks)
            }
            guard start.load(fromByteOffset: position, as: UInt8.self) == UInt8(ascii: "\\") else {
                position += 1
                continue
            }
            (room + written).copyMemory(from: start + runStart, byteCount: position - runStart)
            written += position - runStart
            let scalar = nextEscape(&position)
            written += Self.encode(scalar, room + written)
            runStart = position
        }
        (room + written).copyMemory(from: start + runStart, byteCount: position - runStart)
        return written + position - runStart
    }

    /// Reads the escape at `position` and moves past it. A surrogate pair is one escape; a lone surrogate is U+FFFD.
    @inline(__always)
    private func nextEscape(_ position: inout Int) -> UInt32 {
        let letter = start.load(fromByteOffset: position + 1, as: UInt8.self)
        guard letter == UInt8(ascii: "u") else {
            position += 2
            switch letter {
            case UInt8(ascii: "b"): return 8
            case UInt8(ascii: "f"): return 12
            case UInt8(ascii: "n"): return 10
            case UInt8(ascii: "r"): return 13
            case UInt8(ascii: "t"): return 9
            default: return UInt32(letter)
            }
        }
        let unit = codeUnit(at: position + 2)
        position += 6
        guard unit & 0xF800 == 0xD800 else { return unit }
        guard unit < 0xDC00, position + 6 <= byteCount,
            start.load(fromByteOffset: position, as: UInt8.self) == UInt8(ascii: "\\"),
            start.load(fromByteOffset: position + 1, as: UInt8.self) == UInt8(ascii: "u")
        else { return 0xFFFD }
        let low = codeUnit(at: position + 2)
        guard low & 0xFC00 == 0xDC00 else { return 0xFFFD }
        position += 6
        return 0x10000 + ((unit & 0x3FF) << 10 | (low & 0x3FF))
    }

    /// The four hexadecimal digits at `offset`, validated by the reader.
    private func codeUnit(at offset: Int) -> UInt32 {
        var unit: UInt32 = 0
        for digit in offset..<offset + 4 {
            unit = unit << 4 | UInt32(Hexadecimal.value(start.load(fromByteOffset: digit, as: UInt8.self)) ?? 0)
        }
        return unit
    }

    /// Writes a scalar other than a surrogate as UTF-8; returns its length.
    @inline(__always)
    private static func encode(_ scalar: UInt32, _ room: UnsafeMutableRawPointer) -> Int {
        func store(_ value: UInt32, _ offset: Int) {
            room.storeBytes(of: UInt8(truncatingIfNeeded: value), toByteOffset: offset, as: UInt8.self)
        }
        if scalar < 0x80 {
            store(scalar, 0)
            return 1
        }
        if scalar < 0x800 {
            store(0xC0 | scalar >> 6, 0)
            store(0x80 | scalar & 0x3F, 1)
            return 2
        }
        if scalar < 0x10000 {
            store(0xE0 | scalar >> 12, 0)
            store(0x80 | scalar >> 6 & 0x3F, 1)
            store(0x80 | scalar & 0x3F, 2)
            return 3
        }
        store(0xF0 | scalar >> 18, 0)
        store(0x80 | scalar >> 12 & 0x3F, 1)
        store(0x80 | scalar >> 6 & 0x3F, 2)
        store(0x80 | scalar & 0x3F, 3)
        return 4
    }

    /// Unescapes piece by piece into a register and compares.
    @usableFromInline func unescapedEquals(_ other: UnsafeRawBufferPointer) -> Bool {
        guard other.count <= byteCount else { return false }
        var position = 0
        var matched = 0
        var scalar: UInt32 = 0
        while position < byteCount {
            let byte = start.load(fromByteOffset: position, as: UInt8.self)
            guard byte == UInt8(ascii: "\\") else {
                guard matched < other.count, other[matched] == byte else { return false }
                matched += 1
                position += 1
                continue
            }
            let code = nextEscape(&position)
            let length = withUnsafeMutableBytes(of: &scalar) { room in
                room.baseAddress.map { Self.encode(code, $0) } ?? 0
            }
            guard matched + length <= other.count else { return false }
            let isSame = withUnsafeBytes(of: scalar) { piece in
                (0..<length).allSatisfy { piece[$0] == other[matched + $0] }
            }
            guard isSame else { return false }
            matched += length
        }
        return matched == other.count
    }
}

extension ByteBuffer {
    /// Appends the text of a string's contents.
    /// - Parameter escaped: valid contents of a JSON string in UTF-8, without the quotes.
    /// - Returns: whether the text is valid contents of a JSON string as it is.
    public mutating func append(unescapingJSON escaped: UnsafeRawBufferPointer) -> Bool {
        guard let start = escaped.baseAddress, memchr(start, Int32(UInt8(ascii: "\\")), escaped.count) != nil else {
            append(escaped)
            return true
        }
        let first = count
        let raw = RawString(start: start, byteCount: escaped.count, hasEscapes: true)
        write(room: escaped.count) { raw.unescape(into: $0.baseAddress) }
        return !bytes[first...].contains { $0 < 0x20 || $0 == UInt8(ascii: "\"") || $0 == UInt8(ascii: "\\") }
    }
}

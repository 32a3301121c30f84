public import Bytes

/// Turns the pieces of one string, each from a separate JSON text, into valid contents of separate JSON strings.
///
/// A sender that splits text by UTF-16 units or bytes leaves half a character at the end of a piece: an escaped high surrogate, or
/// bytes that ``JSONRepair`` has written as `\udc80`...`\udcff`. RFC 8259 §8.2 allows such an escape with undefined meaning; strict
/// readers refuse it. The half is retained until the next piece completes it; otherwise it becomes U+FFFD.
///
/// Nearly all pieces need no change: check ``passes(_:)`` first.
public struct JSONStringJoiner {
    /// A high surrogate that waits for a low one; 0 for none.
    private var high: UInt16 = 0
    /// The bytes of a character whose rest is missing, the first one lowest.
    private var partial: UInt32 = 0
    private var partialByteCount = 0

    public init() {}

    /// Whether half a character is retained.
    public var isPending: Bool { high != 0 || partialByteCount > 0 }

    /// Whether the piece can be used unchanged, without ``append(_:to:)``.
    @inline(__always)
    public func passes(_ piece: RawString) -> Bool {
        !isPending && (!piece.hasEscapes || !Self.hasLoneSurrogate(piece.bytes))
    }

    /// Appends the part of the string that is complete so far.
    /// - Parameter piece: valid contents of a JSON string.
    public mutating func append(_ piece: UnsafeRawBufferPointer, to output: inout ByteBuffer) {
        output.reserve(piece.count + 3)
        var position = 0
        while position < piece.count {
            guard piece[position] == UInt8(ascii: "\\") else {
                flush(to: &output)
                let first = position
                while position < piece.count, piece[position] != UInt8(ascii: "\\") { position += 1 }
                output.append(UnsafeRawBufferPointer(rebasing: piece[first..<position]))
                continue
            }
            if let unit = Self.surrogate(piece, at: position) {
                take(unit, &output)
                position += 6
                continue
            }
            flush(to: &output)
            let length = position + 1 < piece.count && piece[position + 1] == UInt8(ascii: "u") ? 6 : 2
            let end = min(position + length, piece.count)
            output.append(UnsafeRawBufferPointer(rebasing: piece[position..<end]))
            position = end
        }
    }

    /// Call at the end of the string, or when other content intervenes: appends U+FFFD for a retained half.
    public mutating func flush(to output: inout ByteBuffer) {
        guard isPending else { return }
        high = 0
        partial = 0
        partialByteCount = 0
        output.append("\u{FFFD}" as StaticString)
    }

    private mutating func take(_ unit: UInt16, _ output: inout ByteBuffer) {
        if unit < 0xDC00 {
            flush(to: &output)
            high = unit
        } else if high != 0 {
            let scalar = 0x10000 + (UInt32(high & 0x3FF) << 10 | UInt32(unit & 0x3FF))
            high = 0
            output.append(UInt8(truncatingIfNeeded: 0xF0 | scalar >> 18))
            output.append(UInt8(truncatingIfNeeded: 0x80 | scalar >> 12 & 0x3F))
            output.append(UInt8(truncatingIfNeeded: 0x80 | scalar >> 6 & 0x3F))
            output.append(UInt8(truncatingIfNeeded: 0x80 | scalar & 0x3F))
        } else if (0xDC80...0xDCFF).contains(unit) {
            take(byte: UInt8(truncatingIfNeeded: unit), &output)
        } else {
            flush(to: &output)
            output.append("\u{FFFD}" as StaticString)
        }
    }

    private mutating func take(byte: UInt8, _ output: inout ByteBuffer) {
        partial |= UInt32(byte) << UInt32(8 * partialByteCount)
        partialByteCount += 1
        let byteCount = partialByteCount
        var bytes = partial.littleEndian
        let length = withUnsafeBytes(of: &bytes) { room in
            room.baseAddress.map { UTF8Validator.sequenceLength($0, byteCount: byteCount) } ?? -1
        }
        if length > 0 {
            withUnsafeBytes(of: &bytes) { output.append(UnsafeRawBufferPointer(rebasing: $0[..<length])) }
            partial = 0
            partialByteCount = 0
        } else if -length < byteCount {
            // The byte does not continue the previous ones; it may begin a character itself.
            partialByteCount -= 1
            flush(to: &output)
            take(byte: byte, &output)
        } else if byteCount == 1, !(0xC2...0xF4).contains(byte) {
            flush(to: &output)
        }
    }

    private static func hasLoneSurrogate(_ piece: UnsafeRawBufferPointer) -> Bool {
        var position = 0
        while position < piece.count {
            guard piece[position] == UInt8(ascii: "\\") else {
                position += 1
                continue
            }
            guard let unit = surrogate(piece, at: position) else {
                position += 2
                continue
            }
            guard unit < 0xDC00, let next = surrogate(piece, at: position + 6), next >= 0xDC00 else { return true }
            position += 12
        }
        return false
    }

    /// The surrogate that is escaped at `offset`, if one is.
    private static func surrogate(_ piece: UnsafeRawBufferPointer, at offset: Int) -> UInt16? {
        guard offset + 6 <= piece.count, piece[offset] == UInt8(ascii: "\\"), piece[offset + 1] == UInt8(ascii: "u"),
            piece[offset + 2] | 0x20 == UInt8(ascii: "d")
        else { return nil }
        var unit: UInt16 = 0xD
        for digit in offset + 3..<offset + 6 {
            guard let value = Hexadecimal.value(piece[digit]) else { return nil }
            unit = unit << 4 | value
        }
        return unit >= 0xD800 ? unit : nil
    }
}

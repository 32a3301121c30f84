import Bytes

/// Adds chunked framing (RFC 9112 §7.1) around pieces written directly to the output.
///
/// The size precedes the data but is known only afterwards. Three digits are reserved, which fits events of 256 to 4,095 bytes;
/// other pieces are moved by the difference, which costs less than copying every piece.
enum ChunkEncoder {
    private static let expectedDigits = 3

    /// - Returns: offset of the chunk, for ``end(_:_:)``.
    static func begin(_ output: inout ByteBuffer) -> Int {
        let start = output.count
        output.append("000\r\n")
        return start
    }

    /// Closes the chunk that began at `start`. An empty chunk is removed, because it would end the body.
    static func end(_ start: Int, _ output: inout ByteBuffer) {
        let dataStart = start + expectedDigits + 2
        let count = output.count - dataStart
        guard count > 0 else {
            output.removeLast(output.count - start)
            return
        }
        let digits = (Int.bitWidth - count.leadingZeroBitCount + 3) / 4
        let shift = digits - expectedDigits
        for _ in 0..<max(0, shift) { output.append(0) }
        if shift != 0, let base = output.mutableBytes.baseAddress {
            (base + dataStart + shift).copyMemory(from: base + dataStart, byteCount: count)
        }
        output.removeLast(max(0, -shift))
        var rest = count
        for position in stride(from: start + digits - 1, through: start, by: -1) {
            let digit = UInt8(truncatingIfNeeded: rest & 0xF)
            output.mutableBytes[position] = digit < 10 ? digit + 48 : digit + 87
            rest >>= 4
        }
        output.mutableBytes[start + digits] = .carriageReturn
        output.mutableBytes[start + digits + 1] = .lineFeed
        output.append("\r\n")
    }

    static func append(_ data: UnsafeRawBufferPointer, _ output: inout ByteBuffer) {
        guard data.count > 0 else { return }
        output.append(hexadecimal: data.count)
        output.append("\r\n")
        output.append(data)
        output.append("\r\n")
    }

    static func appendLast(_ output: inout ByteBuffer) {
        output.append("0\r\n\r\n")
    }
}

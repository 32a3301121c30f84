import Bytes

/// Adds chunked framing (RFC 9112 §7.1) around pieces written directly to the output.
///
/// The size precedes the data but is known only afterwards. Room is left for as many digits as the last chunk's size had, since
/// the events of a stream are alike; the data of other chunks is moved by the difference.
struct ChunkEncoder: Sendable {
    /// Hexadecimal digits of the last chunk's size.
    private var digitCount = 2

    /// - Returns: offset of the chunk, for ``end(_:_:)``.
    func begin(_ output: inout ByteBuffer) -> Int {
        let start = output.count
        output.write(room: digitCount + 2) { _ in digitCount + 2 }
        return start
    }

    /// Closes the chunk that began at `start`. An empty chunk is removed, because it would end the body.
    mutating func end(_ start: Int, _ output: inout ByteBuffer) {
        let dataStart = start + digitCount + 2
        let count = output.count - dataStart
        guard count > 0 else {
            output.removeLast(output.count - start)
            return
        }
        let digits = (Int.bitWidth - count.leadingZeroBitCount + 3) / 4
        if digits != digitCount {
            Self.move(count, at: dataStart, by: digits - digitCount, &output)
            digitCount = digits
        }
        let room = output.mutableBytes
        var rest = count
        for position in stride(from: start + digits - 1, through: start, by: -1) {
            let digit = UInt8(truncatingIfNeeded: rest & 0xF)
            room[position] = digit < 10 ? digit + 48 : digit + 87
            rest >>= 4
        }
        room[start + digits] = .carriageReturn
        room[start + digits + 1] = .lineFeed
        output.append("\r\n")
    }

    /// Moves the last `count` bytes.
    private static func move(_ count: Int, at offset: Int, by shift: Int, _ output: inout ByteBuffer) {
        for _ in 0..<max(0, shift) { output.append(0) }
        if let base = output.mutableBytes.baseAddress {
            (base + offset + shift).copyMemory(from: base + offset, byteCount: count)
        }
        output.removeLast(max(0, -shift))
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

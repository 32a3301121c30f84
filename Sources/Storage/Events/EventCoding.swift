import JSON
import Sessions

/// Numbers around encoded events, in the encoding that the events use themselves: LEB128.
enum EventCoding {
    /// Maximum usual size of the numbers before a run of events, in bytes.
    static let frameByteCount = 16

    /// - Parameter number: a count or key. A negative one occurs only in a file modified by another program and is written as 0.
    static func appendNumber(_ number: Int, to bytes: inout [UInt8]) {
        var rest = UInt64(clamping: number)
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: rest))
    }
}

/// Reads a blob from its beginning. A file may be corrupt: reads never leave the blob.
struct EventDecoder {
    let bytes: UnsafeRawBufferPointer
    private(set) var position = 0

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    var isAtEnd: Bool { position == bytes.count }

    mutating func number() throws -> Int {
        guard let number = Varint.read(bytes, &position) else { throw MalformedRecord(record: "event") }
        return number
    }

    mutating func slice(_ count: Int) throws -> UnsafeRawBufferPointer {
        guard count <= bytes.count - position else { throw MalformedRecord(record: "event") }
        defer { position += count }
        return UnsafeRawBufferPointer(rebasing: bytes[position..<(position + count)])
    }

    /// Skips the next event, which begins with its own byte count.
    mutating func skipEvent() throws { _ = try slice(try number()) }
}

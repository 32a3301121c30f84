import JSON
import Sessions

/// Numbers round encoded events, as the events have them themselves: LEB128.
enum EventCoding {
    /// Bytes that the numbers before a run of events usually take at most.
    static let frameByteCount = 16

    /// - Parameter number: counts and keys of ours. A negative one, which only a file that was changed by others has, stands as 0.
    static func appendNumber(_ number: Int, to bytes: inout [UInt8]) {
        var rest = UInt64(clamping: number)
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: rest))
    }
}

/// Reads a blob from its beginning. What a file holds may be broken: nothing outside of the blob is ever read.
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

    /// Moves behind the next event, which begins with its own byte count.
    mutating func skipEvent() throws { _ = try slice(try number()) }
}

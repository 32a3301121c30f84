public import Bytes

// The encoding of an event in a page of the log, the same in memory and on the disk.
//
//     byte count of what follows   varint
//     kind                         1 byte, see EventKind
//     response                     varint: its ordinal in the session; 0 for events of the session itself
//     number in the response       varint   } only where there is a response
//     output item                  varint: its index plus one; 0 for none   } likewise
//     body                         by kind, see EventBody…
//
// Varints are LEB128. An event's position in the log is its page's first position plus its index: pages have no gaps.

/// Writes the parts of an event's body.
extension ByteBuffer {
    /// Appends a number as LEB128.
    /// - Parameter number: a count or an index; a negative one is written as 0.
    @inlinable public mutating func append(varint number: Int) {
        var rest = UInt64(clamping: number)
        while rest >= 0x80 {
            append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        append(UInt8(truncatingIfNeeded: rest))
    }

    /// Appends bytes, preceded by their count.
    mutating func append(counted bytes: UnsafeRawBufferPointer) {
        append(varint: bytes.count)
        append(bytes)
    }

    /// Appends a string as UTF-8, preceded by its byte count.
    mutating func append(counted text: String) {
        var text = text
        text.withUTF8 { append(counted: UnsafeRawBufferPointer($0)) }
    }

    /// Appends JSON written by `write`, preceded by its byte count.
    mutating func append(json write: (inout ByteBuffer) -> Void) {
        var json = ByteBuffer()
        write(&json)
        append(counted: json.bytes)
    }

    /// Appends an optional string: its byte count plus one, or 0 for nil.
    mutating func append(optional text: String?) {
        guard var text else { return append(varint: 0) }
        text.withUTF8 { bytes in
            append(varint: bytes.count + 1)
            append(UnsafeRawBufferPointer(bytes))
        }
    }
}

/// The bytes are not a valid event: the file was modified or is corrupt.
public struct MalformedEvent: Error {}

/// Reads the parts of an event's body in the order in which they were written. A missing part reads as empty: a later version may
/// append parts.
struct EventParts {
    private let bytes: UnsafeRawBufferPointer
    private(set) var position = 0

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    var rest: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: bytes[position...]) }

    mutating func byte() -> UInt8 {
        guard position < bytes.count else { return 0 }
        defer { position += 1 }
        return bytes[position]
    }

    mutating func number() -> Int { Varint.read(bytes, &position) ?? 0 }

    mutating func counted() -> UnsafeRawBufferPointer { slice(number()) }

    mutating func string() -> String { String(decoding: counted(), as: UTF8.self) }

    mutating func optionalString() -> String? {
        let count = number()
        return count == 0 ? nil : String(decoding: slice(count - 1), as: UTF8.self)
    }

    private mutating func slice(_ count: Int) -> UnsafeRawBufferPointer {
        let end = position + min(max(0, count), bytes.count - position)
        defer { position = end }
        return UnsafeRawBufferPointer(rebasing: bytes[position..<end])
    }
}

/// LEB128 numbers.
public enum Varint {
    /// Encoded size of a number in bytes.
    static func byteCount(_ number: Int) -> Int {
        var count = 1
        var rest = UInt64(clamping: number) >> 7
        while rest > 0 {
            count += 1
            rest >>= 7
        }
        return count
    }

    /// Writes a number and advances `room`.
    @inline(__always)
    static func write(_ number: Int, to room: inout UnsafeMutableRawPointer) {
        var rest = UInt64(clamping: number)
        while rest >= 0x80 {
            room.storeBytes(of: UInt8(truncatingIfNeeded: rest) | 0x80, as: UInt8.self)
            room += 1
            rest >>= 7
        }
        room.storeBytes(of: UInt8(truncatingIfNeeded: rest), as: UInt8.self)
        room += 1
    }

    /// Reads a number.
    /// - Parameter position: where to read; advanced past the number.
    /// - Returns: nil if the number is invalid or exceeds the bytes.
    @inline(__always)
    public static func read(_ bytes: UnsafeRawBufferPointer, _ position: inout Int) -> Int? {
        if position < bytes.count, bytes[position] < 0x80 {
            defer { position += 1 }
            return Int(bytes[position])
        }
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while position < bytes.count, shift < 63 {
            let byte = bytes[position]
            position += 1
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return Int(value) }
            shift += 7
        }
        return nil
    }
}

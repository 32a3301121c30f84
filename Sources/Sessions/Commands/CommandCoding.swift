import Bytes
import JSON

// Commands and outcomes as bytes, for another machine:
//
//     version        1 byte
//     case           1 byte, and the values of the case in their order
//
//     whole number   LEB128 of its zigzag form
//     text, bytes    byte count, content
//     JSON           its text, as text
//     list           count, elements
//     optional       0, or 1 and the value
//
// Unlike an event of the log, a command that a reader does not know whole is refused: to carry half of it out would be worse.

/// Bytes are no command or outcome of this version.
public struct MalformedCommand: Error, Sendable, Equatable {
    public init() {}
}

/// A value that commands and outcomes are made of.
protocol CommandCoded {
    func encode(into buffer: inout ByteBuffer)
    init(from reader: inout CommandReader) throws(MalformedCommand)
}

extension CommandCoded {
    /// The value with the version before it.
    func encodedWithVersion() -> [UInt8] {
        var buffer = ByteBuffer()
        buffer.append(CommandReader.version)
        encode(into: &buffer)
        return buffer.array
    }

    init(withVersion bytes: UnsafeRawBufferPointer) throws(MalformedCommand) {
        var reader = CommandReader(bytes)
        guard try reader.byte() == CommandReader.version else { throw MalformedCommand() }
        self = try Self(from: &reader)
        guard reader.isAtEnd else { throw MalformedCommand() }
    }
}

/// Reads what ``CommandCoded/encode(into:)`` wrote. Whatever the bytes are, it throws and never traps, and allocates no more than a
/// small multiple of them.
struct CommandReader {
    static let version: UInt8 = 1

    private let bytes: UnsafeRawBufferPointer
    private var position = 0

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    var isAtEnd: Bool { position == bytes.count }

    mutating func byte() throws(MalformedCommand) -> UInt8 {
        guard position < bytes.count else { throw MalformedCommand() }
        defer { position += 1 }
        return bytes[position]
    }

    mutating func number() throws(MalformedCommand) -> Int {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while true {
            let byte = try byte()
            // The tenth byte has room for one bit.
            if shift == 63, byte > 1 { throw MalformedCommand() }
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { break }
            shift += 7
        }
        return Int(truncatingIfNeeded: value >> 1) ^ (value & 1 == 1 ? -1 : 0)
    }

    /// A count of things of one byte or more each.
    mutating func count() throws(MalformedCommand) -> Int {
        let count = try number()
        guard count >= 0, count <= bytes.count - position else { throw MalformedCommand() }
        return count
    }

    /// Bytes with their count before them; a view of the input.
    mutating func slice() throws(MalformedCommand) -> UnsafeRawBufferPointer {
        let count = try count()
        defer { position += count }
        return UnsafeRawBufferPointer(rebasing: bytes[position..<(position + count)])
    }
}

extension ByteBuffer {
    mutating func append(number: Int) {
        // Zigzag, so that small negative numbers are short, too.
        var rest = UInt64(bitPattern: Int64((number << 1) ^ (number >> (Int.bitWidth - 1))))
        while rest >= 0x80 {
            append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        append(UInt8(truncatingIfNeeded: rest))
    }

    mutating func append(value bytes: UnsafeRawBufferPointer) {
        append(number: bytes.count)
        append(bytes)
    }
}

// MARK: Basic values

extension Int: CommandCoded {
    func encode(into buffer: inout ByteBuffer) { buffer.append(number: self) }
    init(from reader: inout CommandReader) throws(MalformedCommand) { self = try reader.number() }
}

extension Bool: CommandCoded {
    func encode(into buffer: inout ByteBuffer) { buffer.append(self ? 1 : 0) }
    init(from reader: inout CommandReader) throws(MalformedCommand) {
        switch try reader.byte() {
        case 0: self = false
        case 1: self = true
        default: throw MalformedCommand()
        }
    }
}

extension String: CommandCoded {
    func encode(into buffer: inout ByteBuffer) {
        var text = self
        text.withUTF8 { buffer.append(value: UnsafeRawBufferPointer($0)) }
    }

    init(from reader: inout CommandReader) throws(MalformedCommand) {
        guard let text = String(validating: try reader.slice(), as: UTF8.self) else { throw MalformedCommand() }
        self = text
    }
}

/// Bytes that are nothing else to a command.
struct OpaqueBytes: CommandCoded {
    let array: [UInt8]
    init(_ array: [UInt8]) { self.array = array }
    func encode(into buffer: inout ByteBuffer) { array.withUnsafeBytes { buffer.append(value: $0) } }
    init(from reader: inout CommandReader) throws(MalformedCommand) { array = Array(try reader.slice()) }
}

extension Optional: CommandCoded where Wrapped: CommandCoded {
    func encode(into buffer: inout ByteBuffer) {
        (self != nil).encode(into: &buffer)
        self?.encode(into: &buffer)
    }

    init(from reader: inout CommandReader) throws(MalformedCommand) {
        self = try Bool(from: &reader) ? try Wrapped(from: &reader) : nil
    }
}

extension Array: CommandCoded where Element: CommandCoded {
    func encode(into buffer: inout ByteBuffer) {
        buffer.append(number: count)
        for element in self { element.encode(into: &buffer) }
    }

    init(from reader: inout CommandReader) throws(MalformedCommand) {
        self = []
        for _ in 0..<(try reader.count()) { append(try Element(from: &reader)) }
    }
}

extension JSONValue: CommandCoded {
    func encode(into buffer: inout ByteBuffer) {
        var text = ByteBuffer()
        text.appendJSON(self)
        buffer.append(value: text.bytes)
    }

    init(from reader: inout CommandReader) throws(MalformedCommand) {
        let text = try reader.slice()
        do throws(JSONError) {
            self = try JSONValue.parse(text, limits: .own)
        } catch {
            throw MalformedCommand()
        }
    }
}

extension JSONObject: CommandCoded {
    func encode(into buffer: inout ByteBuffer) { JSONValue.object(self).encode(into: &buffer) }
    init(from reader: inout CommandReader) throws(MalformedCommand) {
        guard case .object(let object) = try JSONValue(from: &reader) else { throw MalformedCommand() }
        self = object
    }
}

/// Words that stand for the cases of an enum, on the wire of clients and here.
extension CommandCoded where Self: RawRepresentable, RawValue == String {
    func encode(into buffer: inout ByteBuffer) { rawValue.encode(into: &buffer) }
    init(from reader: inout CommandReader) throws(MalformedCommand) {
        guard let value = Self(rawValue: try String(from: &reader)) else { throw MalformedCommand() }
        self = value
    }
}

extension InterjectionMode: CommandCoded {}
extension Session.CancelReason: CommandCoded {}
extension Item.Status: CommandCoded {}
extension Step.Status: CommandCoded {}

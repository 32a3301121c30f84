import Bytes
import JSON

// Binary encoding of commands and outcomes, for another machine:
//
//     version        1 byte
//     case           1 byte, followed by the case's values in order
//
//     whole number   LEB128 of its zigzag form
//     text, bytes    byte count, contents
//     JSON           its text, as text
//     list           count, elements
//     optional       0, or 1 and the value
//
// Unlike an event of the log, a command with unknown parts is refused: to carry it out in part would be worse.

/// The bytes are not a command or outcome of this version.
public struct MalformedCommand: Error, Sendable, Equatable {
    /// The only value.
    public init() {}
}

/// A value within a command or outcome.
protocol CommandCoded {
    func encode(into buffer: inout ByteBuffer)
    init(from reader: inout CommandReader) throws(MalformedCommand)
}

extension CommandCoded {
    /// The encoded value, preceded by the version.
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

/// A value coded as its parts, in order: a single layout describes both writing and reading.
protocol CommandRecord: CommandCoded {
    associatedtype Layout: CommandLayout<Self>
    static var layout: Layout { get }
}

extension CommandRecord {
    func encode(into buffer: inout ByteBuffer) { Self.layout.encode(self, into: &buffer) }
    init(from reader: inout CommandReader) throws(MalformedCommand) { self = try Self.layout.read(from: &reader) }
}

/// The encoding of a value.
protocol CommandLayout<Value> {
    associatedtype Value
    func encode(_ value: Value, into buffer: inout ByteBuffer)
    func read(from reader: inout CommandReader) throws(MalformedCommand) -> Value
}

/// A value's parts, and how it is made from them.
struct CommandParts<Value, each Part: CommandCoded>: CommandLayout {
    private let parts: (repeat (Value) -> each Part)
    private let make: (repeat each Part) throws(MalformedCommand) -> Value

    /// - Parameter make: takes the parts in the same order.
    init(_ parts: repeat @escaping (Value) -> each Part, make: @escaping (repeat each Part) throws(MalformedCommand) -> Value) {
        self.parts = (repeat each parts)
        self.make = make
    }

    func encode(_ value: Value, into buffer: inout ByteBuffer) {
        for part in repeat each parts { part(value).encode(into: &buffer) }
    }

    func read(from reader: inout CommandReader) throws(MalformedCommand) -> Value { try reader.value(make) }
}

/// Reads the output of ``CommandCoded/encode(into:)``. On any other bytes it throws, never traps, and allocates at most a small
/// multiple of their size.
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

    /// A value made from parts, which are read in order.
    mutating func value<each Part: CommandCoded, Value>(
        _ make: (repeat each Part) throws(MalformedCommand) -> Value
    ) throws(MalformedCommand) -> Value {
        try make(repeat try (each Part)(from: &self))
    }

    /// The tag of a case.
    mutating func tag<Tag: RawRepresentable<UInt8>>(_ type: Tag.Type = Tag.self) throws(MalformedCommand) -> Tag {
        guard let tag = Tag(rawValue: try byte()) else { throw MalformedCommand() }
        return tag
    }

    mutating func number() throws(MalformedCommand) -> Int {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while true {
            let byte = try byte()
            // The tenth byte may use one bit only.
            if shift == 63, byte > 1 { throw MalformedCommand() }
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { break }
            shift += 7
        }
        return Int(truncatingIfNeeded: value >> 1) ^ (value & 1 == 1 ? -1 : 0)
    }

    /// The count of elements that occupy at least one byte each.
    mutating func count() throws(MalformedCommand) -> Int {
        let count = try number()
        guard count >= 0, count <= bytes.count - position else { throw MalformedCommand() }
        return count
    }

    /// Bytes with a leading count; a view of the input.
    mutating func slice() throws(MalformedCommand) -> UnsafeRawBufferPointer {
        let count = try count()
        defer { position += count }
        return UnsafeRawBufferPointer(rebasing: bytes[position..<(position + count)])
    }
}

extension ByteBuffer {
    /// Appends the tag of a case and its values in order.
    mutating func append<each Part: CommandCoded>(case tag: some RawRepresentable<UInt8>, _ parts: repeat each Part) {
        append(tag.rawValue)
        for part in repeat each parts { part.encode(into: &self) }
    }

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

/// Bytes without further structure.
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

/// Enums with string values, the same as on the clients' wire.
extension CommandCoded where Self: RawRepresentable, RawValue == String {
    func encode(into buffer: inout ByteBuffer) { rawValue.encode(into: &buffer) }
    init(from reader: inout CommandReader) throws(MalformedCommand) {
        guard let value = Self(rawValue: try String(from: &reader)) else { throw MalformedCommand() }
        self = value
    }
}

/// Enums with fixed numbers.
extension CommandCoded where Self: RawRepresentable, RawValue == UInt8 {
    func encode(into buffer: inout ByteBuffer) { buffer.append(rawValue) }
    init(from reader: inout CommandReader) throws(MalformedCommand) { self = try reader.tag() }
}

extension InterjectionMode: CommandCoded {}
extension Session.CancelReason: CommandCoded {}
extension Item.Status: CommandCoded {}
extension Step.Status: CommandCoded {}

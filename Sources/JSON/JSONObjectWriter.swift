public import Bytes

/// Writes an object's members straight into a ``Bytes/ByteBuffer``; made by ``Bytes/ByteBuffer/appendJSONObject(_:)``.
///
/// ```swift
/// buffer.appendJSONObject { event in
///     event.field("type", "response.output_text.delta")
///     event.field("sequence_number", 7)
///     event.object("part") { $0.field("text", "") }
/// }
/// ```
/// Keys are written verbatim: they must be distinct and need no escapes. Allocates only to grow the buffer.
public struct JSONObjectWriter: ~Copyable {
    @usableFromInline let buffer: UnsafeMutablePointer<ByteBuffer>
    @usableFromInline var isFirst = true

    @inlinable init(_ buffer: UnsafeMutablePointer<ByteBuffer>) { self.buffer = buffer }

    @inlinable mutating func key(_ key: StaticString) {
        buffer.pointee.append(isFirst ? "\"" as StaticString : ",\"" as StaticString)
        isFirst = false
        buffer.pointee.append(key)
        buffer.pointee.append("\":" as StaticString)
    }

    /// A string, escaped.
    @inlinable public mutating func field(_ name: StaticString, _ value: String) {
        key(name)
        buffer.pointee.appendJSONString(value)
    }

    /// Nil is written as null.
    @inlinable public mutating func field(_ name: StaticString, _ value: String?) {
        key(name)
        if let value { buffer.pointee.appendJSONString(value) } else { buffer.pointee.append("null" as StaticString) }
    }

    /// An integer in decimal.
    @inlinable public mutating func field(_ name: StaticString, _ value: Int) {
        key(name)
        buffer.pointee.append(decimal: value)
    }

    /// NaN and infinities are written as null.
    @inlinable public mutating func field(_ name: StaticString, _ value: Double) {
        key(name)
        buffer.pointee.appendJSON(value)
    }

    /// `true` or `false`.
    @inlinable public mutating func field(_ name: StaticString, _ value: Bool) {
        key(name)
        buffer.pointee.appendJSON(value)
    }

    /// Any value.
    @inlinable public mutating func field(_ name: StaticString, _ value: JSONValue) {
        key(name)
        buffer.pointee.appendJSON(value)
    }

    /// A string read from another JSON text, with its escapes unchanged.
    @inlinable public mutating func field(_ name: StaticString, _ value: RawString) {
        key(name)
        buffer.pointee.appendJSONString(value)
    }

    /// A constant that needs no escapes.
    @inlinable public mutating func field(_ name: StaticString, constant value: StaticString) {
        field(name, escaped: UnsafeRawBufferPointer(start: value.utf8Start, count: value.utf8CodeUnitCount))
    }

    /// A string from escaped contents, written verbatim.
    @inlinable public mutating func field(_ name: StaticString, escaped: UnsafeRawBufferPointer) {
        key(name)
        buffer.pointee.reserve(escaped.count + 2)
        buffer.pointee.append("\"" as StaticString)
        buffer.pointee.append(escaped)
        buffer.pointee.append("\"" as StaticString)
    }

    /// An empty string, for contents inserted later.
    /// - Returns: the buffer offset to insert them at.
    @inlinable public mutating func emptyField(_ name: StaticString) -> Int {
        key(name)
        buffer.pointee.append("\"\"" as StaticString)
        return buffer.pointee.count - 1
    }

    /// A string from UTF-8; invalid sequences become U+FFFD.
    @inlinable public mutating func field(_ name: StaticString, utf8: UnsafeRawBufferPointer) {
        key(name)
        buffer.pointee.appendJSONString(utf8: utf8)
    }

    /// An encoded JSON value, verbatim.
    @inlinable public mutating func field(_ name: StaticString, json: UnsafeRawBufferPointer) {
        key(name)
        buffer.pointee.append(json)
    }

    /// Writes a member whose name is not a constant.
    public mutating func member(_ name: String, _ value: JSONValue) {
        buffer.pointee.append(isFirst ? "" as StaticString : "," as StaticString)
        isFirst = false
        buffer.pointee.appendJSONString(name)
        buffer.pointee.append(":" as StaticString)
        buffer.pointee.appendJSON(value)
    }

    /// Null.
    @inlinable public mutating func null(_ name: StaticString) {
        key(name)
        buffer.pointee.append("null" as StaticString)
    }

    /// An object whose members `body` writes.
    @inlinable public mutating func object(_ name: StaticString, _ body: (inout JSONObjectWriter) -> Void) {
        key(name)
        buffer.pointee.appendJSONObject(body)
    }

    /// An array whose elements `body` writes.
    @inlinable public mutating func array(_ name: StaticString, _ body: (inout JSONArrayWriter) -> Void) {
        key(name)
        buffer.pointee.appendJSONArray(body)
    }
}

extension ByteBuffer {
    /// Appends an object whose members `body` writes.
    @inlinable public mutating func appendJSONObject(_ body: (inout JSONObjectWriter) -> Void) {
        append(UInt8(ascii: "{"))
        withUnsafeMutablePointer(to: &self) { pointer in
            var writer = JSONObjectWriter(pointer)
            body(&writer)
        }
        append(UInt8(ascii: "}"))
    }
}

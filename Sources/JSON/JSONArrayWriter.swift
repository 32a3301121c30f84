public import Bytes

/// Writes an array's elements straight into a ``Bytes/ByteBuffer``; made by ``Bytes/ByteBuffer/appendJSONArray(_:)``.
public struct JSONArrayWriter: ~Copyable {
    @usableFromInline let buffer: UnsafeMutablePointer<ByteBuffer>
    @usableFromInline var isFirst = true

    @inlinable init(_ buffer: UnsafeMutablePointer<ByteBuffer>) { self.buffer = buffer }

    @inlinable mutating func separate() {
        if !isFirst { buffer.pointee.append(UInt8(ascii: ",")) }
        isFirst = false
    }

    /// A string, escaped.
    @inlinable public mutating func element(_ value: String) {
        separate()
        buffer.pointee.appendJSONString(value)
    }

    /// An integer in decimal.
    @inlinable public mutating func element(_ value: Int) {
        separate()
        buffer.pointee.append(decimal: value)
    }

    /// Any value.
    @inlinable public mutating func element(_ value: JSONValue) {
        separate()
        buffer.pointee.appendJSON(value)
    }

    /// A string read from another JSON text, with its escapes unchanged.
    @inlinable public mutating func element(_ value: RawString) {
        separate()
        buffer.pointee.appendJSONString(value)
    }

    /// An encoded JSON value, verbatim.
    @inlinable public mutating func element(json: UnsafeRawBufferPointer) {
        separate()
        buffer.pointee.append(json)
    }

    /// An object whose members `body` writes.
    @inlinable public mutating func object(_ body: (inout JSONObjectWriter) -> Void) {
        separate()
        buffer.pointee.appendJSONObject(body)
    }

    /// An array whose elements `body` writes.
    @inlinable public mutating func array(_ body: (inout JSONArrayWriter) -> Void) {
        separate()
        buffer.pointee.appendJSONArray(body)
    }
}

extension ByteBuffer {
    /// Appends an array whose elements `body` writes.
    @inlinable public mutating func appendJSONArray(_ body: (inout JSONArrayWriter) -> Void) {
        append(UInt8(ascii: "["))
        withUnsafeMutablePointer(to: &self) { pointer in
            var writer = JSONArrayWriter(pointer)
            body(&writer)
        }
        append(UInt8(ascii: "]"))
    }
}

public import Bytes

/// A string within a JSON text: the bytes between the quotes, validated but not unescaped.
///
/// A view, valid as long as the ``JSONReader``'s bytes. Its escapes and UTF-8 are valid.
public struct RawString {
    /// First byte after the opening quote.
    public let start: UnsafeRawPointer
    /// Bytes between the quotes, escapes as written.
    public let byteCount: Int
    /// Whether a backslash occurs. Without one, the raw bytes are the string's UTF-8.
    public let hasEscapes: Bool

    @inlinable init(start: UnsafeRawPointer, byteCount: Int, hasEscapes: Bool) {
        self.start = start
        self.byteCount = byteCount
        self.hasEscapes = hasEscapes
    }

    /// The bytes between the quotes, escapes as written.
    @inlinable public var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: start, count: byteCount) }

    /// Whether the string is `""`.
    @inlinable public var isEmpty: Bool { byteCount == 0 }

    /// Compares the unescaped string with UTF-8 known at compile time; allocates nothing.
    @inlinable public static func == (raw: RawString, text: StaticString) -> Bool {
        if raw.hasEscapes {
            return raw.unescapedEquals(
                UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
        }
        guard raw.byteCount == text.utf8CodeUnitCount else { return false }
        return raw.plainEquals(UnsafeRawPointer(text.utf8Start))
    }

    /// Compares the unescaped string with UTF-8 known at compile time; allocates nothing.
    @inlinable public static func != (raw: RawString, text: StaticString) -> Bool { !(raw == text) }

    /// For `switch key { case "content": … }`.
    @inlinable public static func ~= (text: StaticString, raw: RawString) -> Bool { raw == text }

    /// Whether the unescaped string has exactly these bytes; allocates nothing.
    public func equals(utf8: UnsafeRawBufferPointer) -> Bool {
        if hasEscapes { return unescapedEquals(utf8) }
        guard byteCount == utf8.count else { return false }
        guard let other = utf8.baseAddress else { return true }
        return plainEquals(other)
    }

    /// Both runs have `byteCount` bytes.
    @usableFromInline func plainEquals(_ other: UnsafeRawPointer) -> Bool {
        var offset = 0
        while offset + 8 <= byteCount {
            let ours = start.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
            if ours != other.loadUnaligned(fromByteOffset: offset, as: UInt64.self) { return false }
            offset += 8
        }
        while offset < byteCount {
            let ours = start.load(fromByteOffset: offset, as: UInt8.self)
            if ours != other.load(fromByteOffset: offset, as: UInt8.self) { return false }
            offset += 1
        }
        return true
    }

    /// Appends the bytes between the quotes verbatim: valid contents of a string in another JSON text.
    ///
    /// Escaped lone surrogates are unchanged, so two halves that an upstream split between chunks become one character when both
    /// chunks are appended to one string.
    @inlinable public func appendRaw(to buffer: inout ByteBuffer) { buffer.append(bytes) }

    /// Appends the unescaped string as UTF-8; escaped lone surrogates become U+FFFD.
    public func append(unescapedTo buffer: inout ByteBuffer) {
        guard hasEscapes else { return buffer.append(bytes) }
        buffer.write(room: byteCount) { room in
            unescape(into: room.baseAddress)
        }
    }

    /// A copy of the unescaped string. Escaped lone surrogates become U+FFFD.
    public func string() -> String {
        guard hasEscapes else { return String(decoding: bytes, as: UTF8.self) }
        return String(unsafeUninitializedCapacity: byteCount) { room in
            unescape(into: UnsafeMutableRawPointer(room.baseAddress))
        }
    }
}

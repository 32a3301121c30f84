/// A pull parser that walks a JSON text without allocating; on the token path it extracts single fields.
///
/// ```swift
/// var reader = JSONReader(bytes)
/// try reader.enterObject()
/// while let key = try reader.nextKey() {
///     switch key {
///     case "index": index = try reader.readInt()
///     default: try reader.skipValue()
///     }
/// }
/// try reader.finish()
/// ```
/// After `nextKey` or a true `nextElement`, read, skip or enter exactly one value; walk an entered container until `nextKey` is nil
/// or `nextElement` is false. The bytes must outlive the reader and its ``RawString``s. All text that has been read is validated as
/// strictly as by ``JSONValue/parse(_:limits:)``. A copy of the reader is a bookmark.
public struct JSONReader {
    let start: UnsafeRawPointer
    let byteCount: Int
    let maxDepth: Int
    /// Offset of the next byte to read.
    public internal(set) var byteOffset = 0
    /// Arrays and objects entered and not yet left.
    public internal(set) var depth = 0
    /// How many more values ``readValue()`` may make.
    var valuesLeft: Int
    /// Nothing has been read since the last `{` or `[`, so no comma is expected.
    var isAtFirstMember = false

    /// - Parameter limits: ``JSONLimits/maxDepth`` counts here, and for ``readValue()`` ``JSONLimits/maxValueCount``.
    public init(_ bytes: UnsafeRawBufferPointer, limits: JSONLimits = .default) {
        start = bytes.baseAddress ?? UnsafeRawPointer(("" as StaticString).utf8Start)
        byteCount = bytes.count
        maxDepth = limits.maxDepth
        valuesLeft = limits.maxValueCount
    }

    /// The kind of the next value. Consumes only white space.
    public mutating func peek() throws(JSONError) -> JSONKind {
        switch try nextByte() {
        case UInt8(ascii: "\""): return .string
        case UInt8(ascii: "{"): return .object
        case UInt8(ascii: "["): return .array
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return .number
        case UInt8(ascii: "t"), UInt8(ascii: "f"): return .bool
        case UInt8(ascii: "n"): return .null
        default: throw JSONError(.expectedValue, byteOffset: byteOffset)
        }
    }

    /// Enters the object that begins here.
    public mutating func enterObject() throws(JSONError) {
        guard try nextByte() == UInt8(ascii: "{") else { throw JSONError(.expectedObject, byteOffset: byteOffset) }
        try enter()
    }

    /// The next key of the innermost object; nil at its end, which also leaves it.
    public mutating func nextKey() throws(JSONError) -> RawString? {
        var byte = try nextByte()
        if byte == UInt8(ascii: "}") {
            leave()
            return nil
        }
        if isAtFirstMember {
            isAtFirstMember = false
        } else {
            guard byte == UInt8(ascii: ",") else {
                throw JSONError(.expectedCommaOrObjectEnd, byteOffset: byteOffset)
            }
            byteOffset += 1
            byte = try nextByte()
        }
        guard byte == UInt8(ascii: "\"") else { throw JSONError(.expectedKey, byteOffset: byteOffset) }
        let key = try scanString()
        guard try nextByte() == UInt8(ascii: ":") else { throw JSONError(.expectedColon, byteOffset: byteOffset) }
        byteOffset += 1
        return key
    }

    /// Enters the array that begins here.
    public mutating func enterArray() throws(JSONError) {
        guard try nextByte() == UInt8(ascii: "[") else { throw JSONError(.expectedArray, byteOffset: byteOffset) }
        try enter()
    }

    /// Whether the innermost array has another element, which then begins here; false at its end, which also leaves it.
    public mutating func nextElement() throws(JSONError) -> Bool {
        let byte = try nextByte()
        if byte == UInt8(ascii: "]") {
            leave()
            return false
        }
        if isAtFirstMember {
            isAtFirstMember = false
            return true
        }
        guard byte == UInt8(ascii: ",") else { throw JSONError(.expectedCommaOrArrayEnd, byteOffset: byteOffset) }
        byteOffset += 1
        // Otherwise "[1,]" would be refused one call later and only if a value is asked for.
        guard try nextByte() != UInt8(ascii: "]") else { throw JSONError(.expectedValue, byteOffset: byteOffset) }
        return true
    }

    /// Checks that nothing but white space follows.
    public mutating func finish() throws(JSONError) {
        skipWhitespace()
        guard byteOffset == byteCount else { throw JSONError(.expectedEndOfInput, byteOffset: byteOffset) }
    }

    @inline(__always)
    private mutating func enter() throws(JSONError) {
        guard depth < maxDepth else { throw JSONError(.tooDeep, byteOffset: byteOffset) }
        byteOffset += 1
        depth += 1
        isAtFirstMember = true
    }

    @inline(__always)
    private mutating func leave() {
        byteOffset += 1
        // A caller that leaves more containers than it entered gets errors about the text, not a trap.
        depth = max(0, depth - 1)
        isAtFirstMember = false
    }

    /// Skips white space and returns the byte after it, which stays unread.
    @inline(__always)
    mutating func nextByte() throws(JSONError) -> UInt8 {
        skipWhitespace()
        guard byteOffset < byteCount else { throw JSONError(.unexpectedEnd, byteOffset: byteCount) }
        return start.load(fromByteOffset: byteOffset, as: UInt8.self)
    }

    @inline(__always)
    private mutating func skipWhitespace() {
        while byteOffset < byteCount {
            let byte = start.load(fromByteOffset: byteOffset, as: UInt8.self)
            guard byte <= 0x20, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 else { return }
            byteOffset += 1
        }
    }

    /// Reads the string whose opening quote is the next byte.
    @inline(__always)
    mutating func scanString() throws(JSONError) -> RawString {
        let first = byteOffset + 1
        let scan = try StringScan(start, from: first, byteCount: byteCount)
        byteOffset = scan.end + 1
        return RawString(start: start + first, byteCount: scan.end - first, hasEscapes: scan.hasEscapes)
    }
}

/// The six kinds of JSON values (RFC 8259 §3).
public enum JSONKind: Sendable, Hashable {
    case object, array, string, number, bool, null
}

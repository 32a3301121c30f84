/// `field-name ":" OWS field-value OWS` (RFC 9112 §5), the form of header and trailer lines.
enum FieldLine {
    /// Validates a line without its CRLF, and appends it to the fields.
    static func parse(_ line: UnsafeRawBufferPointer, into fields: inout HeaderFields) throws(MessageError) {
        if let first = line.first, first.isBlank { throw .foldedField }
        var colon = 0
        while colon < line.count, OctetSet.token.contains(line[colon]) { colon += 1 }
        guard colon > 0, colon < line.count, line[colon] == UInt8(ascii: ":") else {
            throw line.offset(of: .carriageReturn) == nil ? .invalidFieldName : .bareCarriageReturn
        }
        let range = line.trimmingBlanks(in: colon + 1..<line.count)
        let value = line.slice(range.lowerBound, range.upperBound)
        guard value.isFieldContent else {
            throw value.offset(of: .carriageReturn) == nil ? .invalidFieldValue : .bareCarriageReturn
        }
        fields.append(checkedLine: line, nameByteCount: colon, value: range)
    }
}

/// Why a field cannot be written: a bug or an injection on our side, never the peer's fault.
public enum FieldError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The name is not a token (RFC 9110 §5.1).
    case invalidName(String)
    /// The value holds CR, LF, NUL or another control character. The value itself is omitted: it may be secret.
    case invalidValue(name: String)
    /// Content-Length, Transfer-Encoding and Connection are derived from the body length and cannot be set.
    case reserved(name: String)

    public var description: String {
        switch self {
        case .invalidName(let name): "'\(name)' is not a header name."
        case .invalidValue(let name): "The value of '\(name)' holds a control character; strip or encode it."
        case .reserved(let name): "'\(name)' follows from the body length and is written by the writer."
        }
    }

    static func check(name: String, value: String) throws(FieldError) {
        var copy = name
        guard copy.withUTF8({ !$0.isEmpty && OctetSet.token.containsAll(.init($0)) }) else { throw .invalidName(name) }
        copy = value
        guard copy.withUTF8({ UnsafeRawBufferPointer($0).isFieldContent }) else { throw .invalidValue(name: name) }
    }
}

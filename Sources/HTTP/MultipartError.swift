/// Why a multipart body is invalid.
public enum MultipartError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The content type is not `multipart/form-data` with one boundary of 1 to 70 allowed characters.
    case invalidContentType
    /// The body does not begin with the boundary.
    case missingBoundary
    /// A boundary is followed by neither a line end nor `--`.
    case malformedBoundary
    /// A header line of a part is not `name: value`, or ends in LF alone.
    case malformedHeader
    /// The header lines of a part exceed the limit.
    case headerTooLarge(limitBytes: Int)
    /// A part lacks `Content-Disposition: form-data; name="…"`.
    case missingName
    /// A part has a transfer encoding other than identity.
    case unsupportedEncoding
    /// There are too many parts.
    case tooManyParts(limit: Int)
    /// There are bytes after the last boundary.
    case trailingBytes
    /// The body ended before the last boundary.
    case truncated

    /// One sentence for the client's developer.
    public var description: String {
        switch self {
        case .invalidContentType: "Content-Type must be 'multipart/form-data; boundary=…', with a boundary of 1 to 70 characters."
        case .missingBoundary: "The body does not begin with '--' and the boundary of its Content-Type."
        case .malformedBoundary: "A boundary is followed by neither CRLF nor '--'."
        case .malformedHeader: "A header line of a part is not 'name: value' with CRLF at its end."
        case .headerTooLarge(let limit): "The header lines of a part are larger than \(limit) bytes."
        case .missingName: "A part lacks 'Content-Disposition: form-data; name=\"…\"'."
        case .unsupportedEncoding: "Content-Transfer-Encoding of a part must be binary, or left out."
        case .tooManyParts(let limit): "There are more than \(limit) parts."
        case .trailingBytes: "Something follows the last boundary."
        case .truncated: "The body ended before its last boundary."
        }
    }
}

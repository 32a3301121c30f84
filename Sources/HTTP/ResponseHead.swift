/// The validated head of a response.
public struct ResponseHead: Sendable {
    public let status: HTTPStatus
    /// The x of HTTP/1.x: 0 or 1.
    public let minorVersion: Int
    public let fields: HeaderFields
    public let body: BodyFraming
    /// Whether the server accepts another request on this connection.
    public let keepAlive: Bool

    init(_ line: StatusLine, _ fields: HeaderFields, answersHead: Bool, maxBodyBytes: Int) throws(MessageError) {
        let framing = try fields.withOctets { (octets) throws(MessageError) in
            var framing = FramingFields()
            for entry in fields.entries {
                try framing.take(HeaderFields.name(of: entry, octets), HeaderFields.value(of: entry, octets))
            }
            return try framing.conclude(minorVersion: line.minorVersion)
        }
        status = line.status
        minorVersion = line.minorVersion
        self.fields = fields
        body = answersHead || line.status.forbidsBody ? .none : framing ?? .untilClose
        if case .length(let byteCount) = body, byteCount > maxBodyBytes {
            throw .bodyTooLarge(limitBytes: maxBodyBytes)
        }
        let persists =
            line.minorVersion == 1
            ? !fields.list("connection", contains: "close") : fields.list("connection", contains: "keep-alive")
        keepAlive = persists && body != .untilClose
    }
}

/// `HTTP-version SP status-code SP [reason-phrase]` (RFC 9112 §4).
struct StatusLine {
    let minorVersion: Int
    let status: HTTPStatus

    init(_ line: UnsafeRawBufferPointer) throws(MessageError) {
        guard line.count >= 13, line[8] == .space, line[12] == .space else { throw .malformedStatusLine }
        minorVersion = try HTTPVersion.minor(line.slice(0, 8))
        guard let code = line.slice(9, 12).decimalNumber, code >= 100, line.slice(13, line.count).isFieldContent else {
            throw .malformedStatusLine
        }
        status = HTTPStatus(code)
    }
}

public import Bytes

/// Writes one response into an output buffer: head, then body, framed as the request allows (RFC 9112).
///
/// Order of calls: ``begin(_:date:into:)``, ``field(_:_:into:)`` any number of times, ``endHead(_:into:)``, then ``write(_:into:)``
/// or ``beginPiece(into:)`` … ``endPiece(_:into:)`` any number of times, ``end(into:)``. To abort a body that cannot be completed,
/// close without calling `end`: the client detects a truncated chunked body.
public struct ResponseWriter: Sendable {
    /// Whether the connection can be reused after this response. Final after ``end(into:)``; if false, close.
    public private(set) var keepAlive: Bool
    private let isHead: Bool
    private let minorVersion: Int
    private var status = HTTPStatus.ok
    /// Whether there is an Upgrade field, which Connection must then list (RFC 9110 §7.8).
    private var offersUpgrade = false
    private var body = BodyWriter()

    public init(answering request: RequestHead) {
        self.init(method: request.method, minorVersion: request.minorVersion, keepAlive: request.keepAlive)
    }

    /// - Parameter keepAlive: false if no request could be parsed and the connection closes after the answer.
    public init(method: HTTPMethod = .get, minorVersion: Int = 1, keepAlive: Bool) {
        isHead = method == .head
        self.minorVersion = minorVersion
        self.keepAlive = keepAlive
    }

    /// Makes this the last response of the connection. Call before ``endHead(_:into:)``.
    public mutating func closeAfterwards() { keepAlive = false }

    /// Writes the status line.
    /// - Parameter date: ``HTTPDate`` text, cached by the caller; nil omits Date.
    public mutating func begin(_ status: HTTPStatus, date: String?, into output: inout ByteBuffer) {
        self.status = status
        offersUpgrade = false
        output.append("HTTP/1.1 ")
        output.append(decimal: status.code)
        output.append(" ")
        output.append(status.reasonPhrase)
        output.append("\r\n")
        if let date, !status.isInterim {
            output.append("Date: ")
            output.append(date)
            output.append("\r\n")
        }
    }

    /// Writes a field.
    /// - Throws: ``FieldError`` for a name that is not a token, a value with control characters, and fields derived from the body
    ///   length. Nothing is written then.
    public mutating func field(_ name: String, _ value: String, into output: inout ByteBuffer) throws(FieldError) {
        var copy = name
        var isUpgrade = false
        let isReserved = copy.withUTF8 { name in
            let name = UnsafeRawBufferPointer(name)
            switch name.count {
            case 7:
                isUpgrade = name.equalsIgnoringCase("upgrade")
                return false
            case 10: return status != .switchingProtocols && name.equalsIgnoringCase("connection")
            case 14: return name.equalsIgnoringCase("content-length")
            case 17: return name.equalsIgnoringCase("transfer-encoding")
            default: return false
            }
        }
        if isReserved { throw .reserved(name: name) }
        try output.appendField(name, value)
        if isUpgrade { offersUpgrade = true }
    }

    /// Ends the head. Later writes are discarded if the status forbids a body, or the request was HEAD.
    public mutating func endHead(_ length: BodyLength, into output: inout ByteBuffer) {
        if status.forbidsBody {
            body = .suppressed
        } else {
            switch length {
            case .bytes(let byteCount):
                let byteCount = max(0, byteCount)
                output.append("Content-Length: ")
                output.append(decimal: byteCount)
                output.append("\r\n")
                body = .length(byteCount)
            case .unknown where minorVersion == 1:
                output.append("Transfer-Encoding: chunked\r\n")
                body = .chunked
            case .unknown:
                if !isHead { keepAlive = false }
                body = .untilClose
            }
            if isHead { body = .suppressed }
        }
        if !status.isInterim {
            let persistence: StaticString? = !keepAlive ? "close" : minorVersion == 0 ? "keep-alive" : nil
            if offersUpgrade || persistence != nil {
                output.append("Connection: ")
                if offersUpgrade { output.append(persistence == nil ? "Upgrade" : "Upgrade, ") }
                if let persistence { output.append(persistence) }
                output.append("\r\n")
            }
        }
        output.append("\r\n")
    }

    /// Writes a piece of the body, as one chunk if chunked. Bytes beyond the announced length are discarded.
    public mutating func write(_ data: UnsafeRawBufferPointer, into output: inout ByteBuffer) {
        body.write(data, &output)
    }

    /// Begins a piece of the body: bytes appended until ``endPiece(_:into:)`` become one chunk, such as one server-sent event. Do
    /// not consume from the output in between.
    /// - Returns: the token for `endPiece`.
    public func beginPiece(into output: inout ByteBuffer) -> Int {
        body.beginPiece(&output)
    }

    /// - Parameter piece: the token from ``beginPiece(into:)``.
    public mutating func endPiece(_ piece: Int, into output: inout ByteBuffer) {
        body.endPiece(piece, &output)
    }

    /// Ends the body. If less than the announced length was written, ``keepAlive`` becomes false.
    public mutating func end(into output: inout ByteBuffer) {
        if !body.end(&output) { keepAlive = false }
    }

    /// Writes a complete response with an optional content type, for errors and small answers.
    public mutating func respond(
        _ status: HTTPStatus, contentType: String? = nil, body: UnsafeRawBufferPointer, date: String?,
        into output: inout ByteBuffer
    ) throws(FieldError) {
        if let contentType { try FieldError.check(name: "Content-Type", value: contentType) }
        begin(status, date: date, into: &output)
        if let contentType { try field("Content-Type", contentType, into: &output) }
        endHead(.bytes(body.count), into: &output)
        write(body, into: &output)
        end(into: &output)
    }

    /// Writes `100 Continue`, for ``RequestHead/expectsContinue`` once the head has been accepted.
    public static func appendContinue(into output: inout ByteBuffer) {
        output.append("HTTP/1.1 100 Continue\r\n\r\n")
    }
}

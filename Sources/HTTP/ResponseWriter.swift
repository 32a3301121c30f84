public import Bytes

/// Writes one response into an output buffer: head, then body, framed as the request allows (RFC 9112).
///
/// Order of calls: ``begin(_:date:into:)``, ``field(_:_:into:)`` any number of times, ``endHead(_:into:)``, then
/// ``write(_:into:)`` or ``beginPiece(into:)`` … ``endPiece(_:into:)`` any number of times, ``end(into:)``. To break off
/// a body that cannot be completed, do not call `end` and close: a cut chunked body is visible to the client.
public struct ResponseWriter: Sendable {
    /// Whether the connection may carry another request after this response. Final after ``end(into:)``; when it is
    /// false, close.
    public private(set) var keepAlive: Bool
    private let isHead: Bool
    private let minorVersion: Int
    private var status = HTTPStatus.ok
    /// Whether the answer has an Upgrade field, which Connection must then name (RFC 9110 §7.8).
    private var offersUpgrade = false
    private var body = BodyWriter()

    public init(answering request: RequestHead) {
        self.init(method: request.method, minorVersion: request.minorVersion, keepAlive: request.keepAlive)
    }

    /// - Parameter keepAlive: false where no request could be read and the connection closes after the answer.
    public init(method: HTTPMethod = .get, minorVersion: Int = 1, keepAlive: Bool) {
        isHead = method == .head
        self.minorVersion = minorVersion
        self.keepAlive = keepAlive
    }

    /// Makes this the last response of the connection; before ``endHead(_:into:)``.
    public mutating func closeAfterwards() { keepAlive = false }

    /// Writes the status line.
    /// - Parameter date: ``HTTPDate`` text that the caller caches; nil leaves Date out.
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
    /// - Throws: ``FieldError`` for a name that is no token, a value with control characters, and the fields that follow
    ///   from the body length. Nothing is written then.
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

    /// Ends the head. A status that forbids a body and an answer to HEAD get none, whatever is written afterwards.
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

    /// Writes part of the body: one chunk, if chunked. Bytes beyond the announced length are dropped.
    public mutating func write(_ data: UnsafeRawBufferPointer, into output: inout ByteBuffer) {
        body.write(data, &output)
    }

    /// Opens a piece of the body: what the caller appends until ``endPiece(_:into:)`` becomes one chunk, such as one
    /// server-sent event. Nothing may be consumed from the output in between.
    /// - Returns: the token for `endPiece`.
    public func beginPiece(into output: inout ByteBuffer) -> Int {
        body.beginPiece(&output)
    }

    /// - Parameter piece: what ``beginPiece(into:)`` returned.
    public mutating func endPiece(_ piece: Int, into output: inout ByteBuffer) {
        body.endPiece(piece, &output)
    }

    /// Ends the body. If less than the announced length was written, ``keepAlive`` becomes false.
    public mutating func end(into output: inout ByteBuffer) {
        if !body.end(&output) { keepAlive = false }
    }

    /// Writes a whole response with one optional content type: errors and small answers.
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

    /// Writes `100 Continue`, for ``RequestHead/expectsContinue`` once the head is found acceptable.
    public static func appendContinue(into output: inout ByteBuffer) {
        output.append("HTTP/1.1 100 Continue\r\n\r\n")
    }
}

public import Bytes

/// Writes one HTTP/1.1 request (client role), for tools and tests. Same order of calls as ``ResponseWriter``.
public struct RequestWriter: Sendable {
    private var body = BodyWriter()

    public init() {}

    /// Writes the request line and Host.
    /// - Parameters:
    ///   - target: percent-encoded, visible ASCII.
    ///   - host: `host[:port]`.
    /// - Throws: ``FieldError`` if method, target or host contain characters that would break the framing.
    public func begin(
        _ method: HTTPMethod, target: String, host: String, into output: inout ByteBuffer
    ) throws(FieldError) {
        try FieldError.check(name: method.name, value: "")
        guard !target.isEmpty, target.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw .invalidValue(name: "target")
        }
        try FieldError.check(name: "Host", value: host)
        output.append(method.name)
        output.append(" ")
        output.append(target)
        output.append(" HTTP/1.1\r\n")
        try output.appendField("Host", host)
    }

    public func field(_ name: String, _ value: String, into output: inout ByteBuffer) throws(FieldError) {
        try output.appendField(name, value)
    }

    /// Ends the head.
    /// - Parameter length: nil for a request without a body.
    public mutating func endHead(_ length: BodyLength?, into output: inout ByteBuffer) {
        switch length {
        case nil:
            body = .suppressed
        case .bytes(let byteCount):
            output.append("Content-Length: ")
            output.append(decimal: max(0, byteCount))
            output.append("\r\n")
            body = .length(max(0, byteCount))
        case .unknown:
            output.append("Transfer-Encoding: chunked\r\n")
            body = .chunked
        }
        output.append("\r\n")
    }

    public mutating func write(_ data: UnsafeRawBufferPointer, into output: inout ByteBuffer) {
        body.write(data, &output)
    }

    /// - Returns: false if less than the announced length was written: the connection is unusable.
    @discardableResult
    public mutating func end(into output: inout ByteBuffer) -> Bool {
        body.end(&output)
    }
}

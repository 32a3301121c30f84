/// A request method. Methods are case-sensitive (RFC 9110 §9.1).
public enum HTTPMethod: Sendable, Hashable, CustomStringConvertible {
    case get, head, post, put, patch, delete, options
    /// Any other token, as sent.
    case other(String)

    init(_ token: UnsafeRawBufferPointer) {
        // A string of up to fifteen octets needs no allocation.
        let name = token.text
        self =
            switch name {
            case "GET": .get
            case "HEAD": .head
            case "POST": .post
            case "PUT": .put
            case "PATCH": .patch
            case "DELETE": .delete
            case "OPTIONS": .options
            default: .other(name)
            }
    }

    /// The token on the wire.
    public var name: String {
        switch self {
        case .get: "GET"
        case .head: "HEAD"
        case .post: "POST"
        case .put: "PUT"
        case .patch: "PATCH"
        case .delete: "DELETE"
        case .options: "OPTIONS"
        case .other(let name): name
        }
    }

    public var description: String { name }
}

/// `method SP request-target SP HTTP-version` (RFC 9112 §3), with single spaces.
struct RequestLine {
    let method: HTTPMethod
    let target: RequestTarget
    let minorVersion: Int

    /// - Parameter line: without its CRLF.
    init(_ line: UnsafeRawBufferPointer) throws(MessageError) {
        if line.offset(of: .carriageReturn) != nil { throw .bareCarriageReturn }
        guard let methodEnd = line.offset(of: .space) else {
            throw OctetSet.token.containsAll(line) ? .malformedRequestLine : .invalidMethod
        }
        let token = line.slice(0, methodEnd)
        guard token.count > 0, OctetSet.token.containsAll(token) else { throw .invalidMethod }
        let rest = line.slice(methodEnd + 1, line.count)
        guard let targetEnd = rest.offset(of: .space), targetEnd > 0 else { throw .malformedRequestLine }
        let minorVersion = try HTTPVersion.minor(rest.slice(targetEnd + 1, rest.count))
        let method = HTTPMethod(token)
        if method == .other("CONNECT") { throw .methodNotImplemented }
        self.method = method
        target = try RequestTarget(rest.slice(0, targetEnd), isOptions: method == .options)
        self.minorVersion = minorVersion
    }
}

/// `HTTP/1.0` or `HTTP/1.1` (RFC 9112 §2.3), with the exact spelling.
enum HTTPVersion {
    static func minor(_ octets: UnsafeRawBufferPointer) throws(MessageError) -> Int {
        let name: StaticString = "HTTP/"
        guard octets.count == 8,
            octets.slice(0, 5).elementsEqual(UnsafeRawBufferPointer(start: name.utf8Start, count: 5)),
            octets[5].isDigit, octets[6] == UInt8(ascii: "."), octets[7].isDigit
        else { throw .malformedVersion }
        guard octets[5] == UInt8(ascii: "1"), octets[7] <= UInt8(ascii: "1") else { throw .versionNotSupported }
        return Int(octets[7] - 48)
    }
}

/// How the end of a body is found (RFC 9112 §6).
public enum BodyFraming: Sendable, Hashable {
    case none
    /// Exactly this many bytes.
    case length(Int)
    case chunked
    /// Until the connection ends; responses only.
    case untilClose
}

/// The validated head of a request.
public struct RequestHead: Sendable {
    public let method: HTTPMethod
    public let target: RequestTarget
    /// The x of HTTP/1.x: 0 or 1.
    public let minorVersion: Int
    public let fields: HeaderFields
    /// `.none`, `.length` or `.chunked`.
    public let body: BodyFraming
    /// Whether the client will send another request on this connection (RFC 9112 §9.3).
    public let keepAlive: Bool
    /// The client waits for `100 Continue` before it sends the body.
    public let expectsContinue: Bool

    /// The announced length of the body, in bytes; nil if it is chunked.
    public var contentLength: Int? {
        switch body {
        case .none: 0
        case .length(let byteCount): byteCount
        case .chunked, .untilClose: nil
        }
    }

    /// `host[:port]` of an absolute target, else of Host. Nil only in HTTP/1.0.
    public var authority: String? { target.authority ?? fields["host"] }

    /// Whether the client offers to upgrade to that protocol (RFC 9110 §7.8); never in HTTP/1.0.
    public func asksForUpgrade(to protocolName: String) -> Bool {
        minorVersion == 1 && fields.list("connection", contains: "upgrade")
            && fields.list("upgrade", contains: protocolName)
    }

    /// Evaluates the fields; refuses ambiguous ones.
    init(_ line: RequestLine, _ fields: HeaderFields, maxBodyBytes: Int) throws(MessageError) {
        let facts = try fields.withOctets { (octets) throws(MessageError) in try Facts(fields, octets, line) }
        if case .length(let byteCount) = facts.body, byteCount > maxBodyBytes {
            throw .bodyTooLarge(limitBytes: maxBodyBytes)
        }
        method = line.method
        target = line.target
        minorVersion = line.minorVersion
        self.fields = fields
        body = facts.body
        keepAlive = !facts.saysClose && (line.minorVersion == 1 || facts.saysKeepAlive)
        expectsContinue = facts.expectsContinue
    }

    private struct Facts {
        var body = BodyFraming.none
        var saysClose = false
        var saysKeepAlive = false
        var expectsContinue = false

        init(_ fields: HeaderFields, _ octets: UnsafeRawBufferPointer, _ line: RequestLine) throws(MessageError) {
            var framing = FramingFields()
            var host: UnsafeRawBufferPointer?
            var expectsOther = false
            for entry in fields.entries {
                let name = HeaderFields.name(of: entry, octets)
                let value = HeaderFields.value(of: entry, octets)
                switch name.count {
                case 4 where name.equalsIgnoringCase("host"):
                    if host != nil { throw .repeatedHost }
                    host = value
                case 6 where name.equalsIgnoringCase("expect"):
                    if value.equalsIgnoringCase("100-continue") { expectsContinue = true } else { expectsOther = true }
                case 10 where name.equalsIgnoringCase("connection"):
                    saysClose = saysClose || value.listContains(Self.close)
                    saysKeepAlive = saysKeepAlive || value.listContains(Self.keepAlive)
                default:
                    try framing.take(name, value)
                }
            }
            body = try framing.conclude(minorVersion: line.minorVersion) ?? .none
            try Self.check(host, line)
            // An HTTP/1.0 client cannot read 100 Continue (RFC 9110 §10.1.1).
            if line.minorVersion == 0 {
                expectsContinue = false
            } else if expectsOther {
                throw .expectationFailed
            }
        }

        private static func check(_ host: UnsafeRawBufferPointer?, _ line: RequestLine) throws(MessageError) {
            guard let host else {
                if line.minorVersion == 1 { throw .missingHost }
                return
            }
            guard RequestTarget.isAuthority(host) else { throw .invalidHost }
            if var authority = line.target.authority {
                guard authority.withUTF8({ host.equalsIgnoringCase(.init($0)) }) else { throw .invalidHost }
            }
        }

        private static var close: UnsafeRawBufferPointer { octets("close") }
        private static var keepAlive: UnsafeRawBufferPointer { octets("keep-alive") }
        private static func octets(_ text: StaticString) -> UnsafeRawBufferPointer {
            UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
        }
    }
}

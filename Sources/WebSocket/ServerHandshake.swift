public import Bytes

/// The server's half of an opening handshake, RFC 6455 §4.2.
public struct ServerHandshake: Sendable {
    /// In any order: the client's preference decides.
    public var supportedSubprotocols: [String]
    public var origins: OriginPolicy
    /// How to use compression if offered; nil declines it.
    public var deflate: DeflateOptions?

    public init(supportedSubprotocols: [String] = [], origins: OriginPolicy = .sameHost, deflate: DeflateOptions? = nil) {
        self.supportedSubprotocols = supportedSubprotocols
        self.origins = origins
        self.deflate = deflate
    }

    /// Whether a request asks for a WebSocket, so that one path can serve both.
    public static func isUpgrade(_ request: HandshakeRequest) -> Bool {
        request.fields.list("upgrade", has: "websocket")
    }

    /// Validates a request.
    ///
    /// - Returns: the acceptance; its ``HandshakeAcceptance/subprotocol`` is nil if no offered one is supported, and the client
    ///   then decides whether to continue.
    public func accept(_ request: HandshakeRequest) throws(HandshakeRejection) -> HandshakeAcceptance {
        let fields = request.fields
        guard request.method == "GET" else { throw .methodNotGET }
        guard request.httpMinorVersion >= 1 else { throw .httpVersionTooOld }
        guard Self.isUpgrade(request) else { throw .notAnUpgrade }
        guard fields.list("connection", has: "upgrade") else { throw .connectionNotUpgrade }
        let host = try Self.once("Host", in: fields)
        let versions = fields.values(of: "sec-websocket-version")
        guard versions.count <= 1 else { throw .fieldNotOnce(name: "Sec-WebSocket-Version") }
        guard versions == ["13"] else { throw .unsupportedVersion }
        let key = try Self.once("Sec-WebSocket-Key", in: fields)
        guard AcceptKey.isNonce(key) else { throw .invalidKey }
        guard fields.values(of: "transfer-encoding").isEmpty,
            fields.values(of: "content-length").allSatisfy({ $0 == "0" })
        else { throw .hasBody }
        let origins = fields.values(of: "origin")
        guard origins.count <= 1 else { throw .fieldNotOnce(name: "Origin") }
        guard self.origins.allows(origins.first, host: host) else { throw .originNotAllowed }
        let offered = request.offeredSubprotocols
        guard offered.allSatisfy(HandshakeFields.isToken), Set(offered).count == offered.count else {
            throw .invalidSubprotocols
        }
        // Extensions are declined by omission, but offers must be well-formed (§9.1).
        guard let offers = ExtensionOffer.parse(fields.values(of: "sec-websocket-extensions")) else {
            throw .invalidExtensions
        }
        let compression = deflate?.accept(offers)
        guard let acceptKey = AcceptKey.accepting(key) else { throw .digestUnavailable }
        return HandshakeAcceptance(
            acceptKey: acceptKey, subprotocol: offered.first(where: supportedSubprotocols.contains),
            extensions: NegotiatedExtensions(deflate: compression?.agreement), extensionResponse: compression?.response.text)
    }

    private static func once(_ name: String, in fields: HandshakeFields) throws(HandshakeRejection) -> String {
        let values = fields.values(of: name.lowercased())
        guard values.count == 1, let value = values.first else { throw .fieldNotOnce(name: name) }
        return value
    }
}

/// An accepted request.
public struct HandshakeAcceptance: Sendable {
    /// The value of `Sec-WebSocket-Accept`.
    public let acceptKey: String
    /// The selected subprotocol. May be changed before the response is written, but only to an offered one.
    public var subprotocol: String?
    /// Pass these to ``WebSocketEndpoint``.
    public let extensions: NegotiatedExtensions
    /// The value of `Sec-WebSocket-Extensions`; nil for none.
    public let extensionResponse: String?

    /// The header fields of the 101 response.
    public var fields: [(name: String, value: String)] {
        var fields = [
            (name: "Upgrade", value: "websocket"), (name: "Connection", value: "Upgrade"),
            (name: "Sec-WebSocket-Accept", value: acceptKey),
        ]
        if let subprotocol { fields.append((name: "Sec-WebSocket-Protocol", value: subprotocol)) }
        if let extensionResponse { fields.append((name: "Sec-WebSocket-Extensions", value: extensionResponse)) }
        return fields
    }

    /// Appends the complete 101 response.
    /// - Parameter additionalFields: trusted; must not contain line breaks.
    public func appendResponse(
        additionalFields: [(name: String, value: String)] = [], into output: inout ByteBuffer
    ) {
        output.append("HTTP/1.1 101 Switching Protocols\r\n" as StaticString)
        for field in fields + additionalFields { output.append("\(field.name): \(field.value)\r\n") }
        output.append("\r\n" as StaticString)
    }
}

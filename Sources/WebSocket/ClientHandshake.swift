public import Bytes

/// The response to an opening handshake, as the HTTP layer parsed it.
public struct HandshakeResponse: Sendable {
    public var status: Int
    /// The x of HTTP/1.x.
    public var httpMinorVersion: Int
    let fields: HandshakeFields

    /// - Parameter fields: name and value of each header field in wire order, including repeated ones.
    public init(status: Int, httpMinorVersion: Int, fields: [(name: String, value: String)]) {
        self.status = status
        self.httpMinorVersion = httpMinorVersion
        self.fields = HandshakeFields(fields)
    }
}

/// Why a response does not open a WebSocket, RFC 6455 §4.1. The client must drop the connection.
public enum HandshakeFailure: Error, Equatable, Sendable {
    /// Not 101: follow the redirect, authenticate or report, as for any HTTP response.
    case status(Int)
    case httpVersionTooOld
    /// `Upgrade` is not `websocket`.
    case notUpgraded
    /// `Connection` does not list `upgrade`.
    case connectionNotUpgrade
    /// `Sec-WebSocket-Accept` is missing, repeated or does not match the key: a cache, or not a WebSocket server.
    case wrongAcceptKey
    /// The server uses an extension that was not offered.
    case extensionNotOffered
    /// The server accepted permessage-deflate with invalid parameters, RFC 7692 §5.1.
    case invalidExtensionResponse
    /// The server chose a subprotocol that was not offered, or more than one.
    case subprotocolNotOffered
}

/// What the server selected from the client's offers.
public struct HandshakeOutcome: Sendable {
    /// Nil for none.
    public let subprotocol: String?
    /// Pass these to ``WebSocketEndpoint``.
    public let extensions: NegotiatedExtensions
}

/// The client's half of an opening handshake, RFC 6455 §4.1.
public struct ClientHandshake: Sendable {
    /// The value of `Sec-WebSocket-Key`: fresh for every connection.
    public let key: String
    /// Offered to the server, in order of preference.
    public let subprotocols: [String]
    /// Offered to the server; nil for no compression.
    public let deflate: DeflateOptions?

    /// - Parameter subprotocols: distinct tokens, in order of preference.
    public init(subprotocols: [String] = [], deflate: DeflateOptions? = nil) {
        self.subprotocols = subprotocols
        self.deflate = deflate
        key = withUnsafeTemporaryAllocation(byteCount: AcceptKey.nonceByteCount, alignment: 1) { nonce in
            SecureRandom.fill(nonce)
            return Base64.encode(UnsafeRawBufferPointer(nonce))
        }
    }

    /// The header fields of the request, without `Host`.
    public var fields: [(name: String, value: String)] {
        var fields = [
            (name: "Upgrade", value: "websocket"), (name: "Connection", value: "Upgrade"),
            (name: "Sec-WebSocket-Key", value: key), (name: "Sec-WebSocket-Version", value: "13"),
        ]
        if !subprotocols.isEmpty {
            fields.append((name: "Sec-WebSocket-Protocol", value: subprotocols.joined(separator: ", ")))
        }
        if let deflate { fields.append((name: "Sec-WebSocket-Extensions", value: deflate.offer.text)) }
        return fields
    }

    /// Appends the whole request.
    /// - Parameters:
    ///   - target: path and query.
    ///   - host: with the port, unless it is the scheme's default.
    ///   - additionalFields: trusted; must not contain line breaks.
    public func appendRequest(
        target: String, host: String, additionalFields: [(name: String, value: String)] = [],
        into output: inout ByteBuffer
    ) {
        output.append("GET \(target) HTTP/1.1\r\nHost: \(host)\r\n")
        for field in fields + additionalFields { output.append("\(field.name): \(field.value)\r\n") }
        output.append("\r\n" as StaticString)
    }

    /// Validates the response.
    public func validate(_ response: HandshakeResponse) throws(HandshakeFailure) -> HandshakeOutcome {
        let fields = response.fields
        guard response.status == 101 else { throw .status(response.status) }
        guard response.httpMinorVersion >= 1 else { throw .httpVersionTooOld }
        guard fields.list("upgrade").map({ $0.lowercased() }) == ["websocket"] else { throw .notUpgraded }
        guard fields.list("connection", has: "upgrade") else { throw .connectionNotUpgrade }
        let accepted = fields.values(of: "sec-websocket-accept")
        guard accepted.count == 1, let expected = AcceptKey.accepting(key), accepted.first == expected else {
            throw .wrongAcceptKey
        }
        let extensions = try extensions(in: fields.values(of: "sec-websocket-extensions").filter { !$0.isEmpty })
        let chosen = fields.values(of: "sec-websocket-protocol")
        guard chosen.count <= 1, chosen.allSatisfy(subprotocols.contains) else { throw .subprotocolNotOffered }
        return HandshakeOutcome(subprotocol: chosen.first, extensions: extensions)
    }

    private func extensions(in values: [String]) throws(HandshakeFailure) -> NegotiatedExtensions {
        if values.isEmpty { return .none }
        guard let deflate else { throw .extensionNotOffered }
        guard let elements = ExtensionOffer.parse(values) else { throw .invalidExtensionResponse }
        return NegotiatedExtensions(deflate: try deflate.validate(elements))
    }
}

/// Why a request is not upgraded to a WebSocket, and the response for it.
public enum HandshakeRejection: Error, Equatable, Sendable {
    case methodNotGET
    /// HTTP/1.0 has no upgrade.
    case httpVersionTooOld
    /// No `Upgrade: websocket`: an ordinary request to a WebSocket path.
    case notAnUpgrade
    /// `Connection` does not list `upgrade`.
    case connectionNotUpgrade
    /// A required single field is missing or repeated.
    case fieldNotOnce(name: String)
    /// Not base64 of 16 bytes.
    case invalidKey
    /// Not version 13.
    case unsupportedVersion
    /// A subprotocol is not a token, or is offered twice.
    case invalidSubprotocols
    /// The offer violates the grammar of RFC 6455 §9.1.
    case invalidExtensions
    /// The upgrade request has a body.
    case hasBody
    /// Refused by the ``OriginPolicy``.
    case originNotAllowed
    /// libcrypto refuses SHA-1.
    case digestUnavailable

    /// The HTTP status of the response.
    public var status: Int {
        switch self {
        case .methodNotGET: 405
        case .notAnUpgrade, .unsupportedVersion: 426
        case .originNotAllowed: 403
        case .digestUnavailable: 500
        default: 400
        }
    }

    /// The header fields of the response.
    public var fields: [(name: String, value: String)] {
        switch self {
        case .methodNotGET: [(name: "Allow", value: "GET")]
        case .notAnUpgrade, .unsupportedVersion:
            // RFC 9110 §15.5.22 requires Upgrade with a 426, RFC 6455 §4.4 the version.
            [
                (name: "Upgrade", value: "websocket"), (name: "Connection", value: "Upgrade"),
                (name: "Sec-WebSocket-Version", value: "13"),
            ]
        default: []
        }
    }

    /// What happened and what to do, for the body of the response.
    public var reason: String {
        switch self {
        case .methodNotGET: "A WebSocket is opened with GET."
        case .httpVersionTooOld: "A WebSocket needs HTTP/1.1 or later."
        case .notAnUpgrade: "This address speaks WebSocket: send 'Upgrade: websocket'."
        case .connectionNotUpgrade: "Send 'Connection: Upgrade'; a proxy on the way may have removed it."
        case .fieldNotOnce(let name): "Send exactly one \(name) field."
        case .invalidKey: "Sec-WebSocket-Key must be the base64 of 16 bytes."
        case .unsupportedVersion: "Only WebSocket version 13 (RFC 6455) is spoken here."
        case .invalidSubprotocols: "Sec-WebSocket-Protocol must list different tokens."
        case .invalidExtensions: "Sec-WebSocket-Extensions does not follow RFC 6455 section 9.1."
        case .hasBody: "A WebSocket handshake has no body."
        case .originNotAllowed: "This Origin may not connect: add it to the allowed origins."
        case .digestUnavailable: "The server's cryptographic library refuses SHA-1, which RFC 6455 needs."
        }
    }
}

import HTTP
import Hosting
import Network
import WebSocket

/// How a route becomes a WebSocket.
struct SocketOpening: Sendable {
    /// What to do, for a caller that asks without the upgrade: goes behind "connect with wss:// or ws://".
    let advice: String
    /// Subprotocols that the face speaks: the first one offered is agreed on.
    let subprotocols: Set<String>
    /// Checks the call, and gives what makes the socket when the handshake has succeeded.
    let open: @Sendable (Call) throws(APIError) -> (WebSocketTransport) -> FaceSocket

    init(
        advice: String = ".", subprotocols: Set<String> = [],
        open: @escaping @Sendable (Call) throws(APIError) -> (WebSocketTransport) -> FaceSocket
    ) {
        self.advice = advice
        self.subprotocols = subprotocols
        self.open = open
    }
}

extension Call {
    /// Makes the handshake (RFC 6455 §4.2).
    func upgrade(_ opening: SocketOpening) throws(APIError) {
        let handshake = HandshakeRequest(
            method: request.method.name, httpMinorVersion: request.minorVersion,
            fields: request.fields.map { (name: $0.name, value: $0.value) })
        guard ServerHandshake.isUpgrade(handshake) else {
            throw APIError(
                status: .upgradeRequired,
                message: "GET \(request.target.path) is a WebSocket: connect with wss:// or ws://\(opening.advice)",
                code: "upgrade_required", fields: [("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13")])
        }
        if context.lifecycle.isDraining { throw .shuttingDown }
        if context.sessions(on: loop).isOverloaded() { throw .overloaded }
        let make = try opening.open(self)
        do {
            var acceptance = try ServerHandshake(origins: .any, deflate: context.configuration.deflate).accept(handshake)
            // A browser that sent its key as a subprotocol wants to hear one of its offers: never the key.
            acceptance.subprotocol = handshake.offeredSubprotocols.first { opening.subprotocols.contains($0) }
            exchange.upgrade(
                acceptance, limits: WebSocketLimits(maxMessageBytes: context.configuration.maxMessageBytes),
                liveness: context.webSocketLiveness, make: make)
        } catch {
            var refusal = APIError(
                status: HTTPStatus(error.status), message: error.reason, code: "websocket_handshake_failed",
                fields: error.fields.filter { $0.name != "Connection" })
            refusal.handshakeLabel = error.label
            throw refusal
        }
    }
}

extension HandshakeRejection {
    /// In a word, for counters.
    fileprivate var label: String {
        switch self {
        case .methodNotGET: "method"
        case .httpVersionTooOld: "http_version"
        case .notAnUpgrade: "not_an_upgrade"
        case .connectionNotUpgrade: "connection_field"
        case .fieldNotOnce: "field_not_once"
        case .invalidKey: "key"
        case .unsupportedVersion: "version"
        case .invalidSubprotocols: "subprotocols"
        case .invalidExtensions: "extensions"
        case .hasBody: "body"
        case .originNotAllowed: "origin_not_allowed"
        case .digestUnavailable: "digest"
        }
    }
}

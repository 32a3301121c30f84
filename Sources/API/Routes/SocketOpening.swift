import HTTP
import Hosting
package import Network
import SessionHosting
import WebSocket

/// How a route opens a WebSocket.
package struct SocketOpening: Sendable {
    /// Advice for a request without an upgrade: continues "connect with wss:// or ws://".
    package let advice: String
    /// Subprotocols of the face: the first one offered is accepted.
    package let subprotocols: Set<String>
    /// Checks the call and returns the function that makes the socket after a successful handshake.
    package let open: @Sendable (Call) throws(APIError) -> (WebSocketTransport) -> FaceSocket

    /// - Parameters:
    ///   - advice: continues "connect with wss:// or ws://".
    ///   - open: checks the call and returns the function that makes the socket.
    package init(
        advice: String = ".", subprotocols: Set<String> = [],
        open: @escaping @Sendable (Call) throws(APIError) -> (WebSocketTransport) -> FaceSocket
    ) {
        self.advice = advice
        self.subprotocols = subprotocols
        self.open = open
    }
}

extension Call {
    /// Performs the handshake (RFC 6455 §4.2).
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
        if services.lifecycle.isDraining { throw .shuttingDown }
        if services.sessions(on: loop).isOverloaded() { throw .overloaded }
        let make = try opening.open(self)
        do {
            var acceptance = try ServerHandshake(origins: .any, deflate: services.settings.webSockets.deflate).accept(handshake)
            // A browser that offers its key as a subprotocol expects one of its offers to be accepted: never the key.
            acceptance.subprotocol = handshake.offeredSubprotocols.first { opening.subprotocols.contains($0) }
            exchange.upgrade(
                acceptance, limits: WebSocketLimits(maxMessageBytes: services.settings.webSockets.maxMessageBytes),
                liveness: services.settings.webSockets.liveness, make: make)
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
    /// Label of a failed handshake, for counters.
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

import HTTP
import Network
import WebSocket

/// Upgrades every WebSocket handshake.
final class EchoHandler: HTTPRequestHandler {
    private let deflate: DeflateOptions?
    private let limits: WebSocketLimits
    /// nil for an echo.
    private let fanOut: FanOut?

    init(deflate: DeflateOptions?, limits: WebSocketLimits, fanOut: FanOut?) {
        self.deflate = deflate
        self.limits = limits
        self.fanOut = fanOut
    }

    func handle(_ exchange: HTTPExchange) {
        let request = exchange.request
        let handshake = HandshakeRequest(
            method: request.method.name, httpMinorVersion: request.minorVersion,
            fields: request.fields.map { (name: $0.name, value: $0.value) })
        do {
            let acceptance = try ServerHandshake(origins: .any, deflate: deflate).accept(handshake)
            if let fanOut {
                exchange.upgrade(acceptance, limits: limits) { FanOutSocket($0, fanOut) }
            } else {
                exchange.upgrade(acceptance, limits: limits) { EchoSocket($0) }
            }
        } catch {
            // The Connection field belongs to the HTTP layer.
            exchange.respond(
                HTTPStatus(error.status), contentType: "text/plain", fields: error.fields.filter { $0.name != "Connection" },
                body: Array("\(error.reason)\n".utf8))
        }
    }

    /// A handshake has no body; a small one is read, to reject it cleanly.
    func terms(for request: RequestHead) -> RequestTerms? { RequestTerms(maxBodyBytes: 64 << 10) }

    func errorAnswer(for status: HTTPStatus, _ message: String) -> HTTPErrorAnswer {
        HTTPErrorAnswer(fields: [("Content-Type", "text/plain")], body: Array("\(message)\n".utf8))
    }
}

/// Sends every message back unchanged.
final class EchoSocket: WebSocketConnection {
    override func receivedText(_ text: UnsafeRawBufferPointer) { send(.text, text) }
    override func receivedBinary(_ bytes: UnsafeRawBufferPointer) { send(.binary, bytes) }
}

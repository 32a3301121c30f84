import Bytes
import JSON
import Network
import WebSocket

/// The client's end of a session's WebSocket: JSON text messages in both directions. Loop-confined.
final class SessionSocket: WebSocketConnection {
    private let onMessage: (JSONValue) -> Void
    private let onClosed: (ConnectionClosed) -> Void

    init(
        _ transport: WebSocketTransport, onMessage: @escaping (JSONValue) -> Void,
        onClosed: @escaping (ConnectionClosed) -> Void
    ) {
        self.onMessage = onMessage
        self.onClosed = onClosed
        super.init(transport)
    }

    override func receivedText(_ text: UnsafeRawBufferPointer) {
        if let message = try? JSONValue.parse(text) { onMessage(message) }
    }

    override func closed(_ end: ConnectionClosed) { onClosed(end) }

    func send(_ message: JSONValue) { sendText { $0.appendJSON(message) } }
}

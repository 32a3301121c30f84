import HTTP
package import Network
package import WebSocket

/// What an operator can set about calls, streams and WebSockets.
package struct APISettings: Sendable {
    /// Bytes of a body that a handler does not read while it arrives.
    package var maxBodyBytes: Int
    /// Silence on a stream after which a heartbeat is sent.
    package var heartbeat: Duration
    /// Over how long clients are spread that must connect again, because the server stops.
    package var drainWindow: Duration
    /// Web pages that may call, by origin (`*`: any). Unset: any when there are keys, else those served from this machine.
    package var allowedOrigins: [String]?
    /// Whether only this machine can reach the server.
    package var isLoopbackOnly: Bool
    package var webSockets: WebSocketSettings

    package init(
        maxBodyBytes: Int, heartbeat: Duration, drainWindow: Duration, allowedOrigins: [String]?, isLoopbackOnly: Bool,
        webSockets: WebSocketSettings
    ) {
        self.maxBodyBytes = maxBodyBytes
        self.heartbeat = heartbeat
        self.drainWindow = drainWindow
        self.allowedOrigins = allowedOrigins
        self.isLoopbackOnly = isLoopbackOnly
        self.webSockets = webSockets
    }
}

/// What holds for the WebSockets of every face.
package struct WebSocketSettings: Sendable {
    /// Bytes of one message from a client.
    package var maxMessageBytes: Int
    /// How messages are compressed where the client offers it; nil for never.
    package var deflate: DeflateOptions?
    /// Pings, idleness and age; one for all WebSockets.
    package let liveness: WebSocketLiveness.Shared

    package init(maxMessageBytes: Int, deflate: DeflateOptions?, liveness: WebSocketLiveness) {
        self.maxMessageBytes = maxMessageBytes
        self.deflate = deflate
        self.liveness = WebSocketLiveness.Shared(liveness)
    }
}

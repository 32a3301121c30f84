import HTTP
package import Network
package import WebSocket

/// The operator's settings for calls, streams and WebSockets.
package struct APISettings: Sendable {
    /// Maximum size, in bytes, of a request body that is not streamed to its handler.
    package var maxBodyBytes: Int
    /// Silence on a stream after which a heartbeat is sent.
    package var heartbeat: Duration
    /// Time over which reconnects are spread when the server stops.
    package var drainWindow: Duration
    /// Web pages allowed to call, by origin (`*` for any). Nil allows any if there are keys, otherwise those served from this
    /// machine.
    package var allowedOrigins: [String]?
    /// Whether the server is reachable from this machine only.
    package var isLoopbackOnly: Bool
    /// Settings of the WebSockets of every face.
    package var webSockets: WebSocketSettings

    /// Settings with these values.
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

/// Settings of the WebSockets of every face.
package struct WebSocketSettings: Sendable {
    /// Maximum size of a message from a client, in bytes.
    package var maxMessageBytes: Int
    /// How messages are compressed if the client offers it; nil never compresses.
    package var deflate: DeflateOptions?
    /// Pings, idle timeout and maximum age; shared by all WebSockets.
    package let liveness: WebSocketLiveness.Shared

    /// Settings with these values.
    package init(maxMessageBytes: Int, deflate: DeflateOptions?, liveness: WebSocketLiveness) {
        self.maxMessageBytes = maxMessageBytes
        self.deflate = deflate
        self.liveness = WebSocketLiveness.Shared(liveness)
    }
}

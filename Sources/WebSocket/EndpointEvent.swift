/// Events of a connection, in wire order. Payloads are views, valid until the next call for an event.
public enum EndpointEvent {
    /// A whole text message, well-formed UTF-8.
    case text(UnsafeRawBufferPointer)
    /// A whole binary message.
    case binary(UnsafeRawBufferPointer)
    /// A ping; its pong has been written, or waits for the output to drain.
    case ping(UnsafeRawBufferPointer)
    /// A pong, solicited or not.
    case pong(UnsafeRawBufferPointer)
    /// The last event: see ``WebSocketEndpoint/transportAction`` for what to do with the transport.
    case closed(ConnectionClosed)
}

/// How a connection ended; code, reason and cleanness are those of a browser's `CloseEvent`.
public struct ConnectionClosed: Equatable, Sendable {
    /// The code that the peer sent, 1005 for a close frame without one, 1006 for no close frame.
    public var code: CloseCode
    /// The reason that the peer sent.
    public var reason: String
    /// Whether both ends sent a close frame.
    public var wasClean: Bool
    /// Why this end failed the connection; its ``ProtocolViolation/closeCode`` was sent, unless a close frame had been sent before.
    public var violation: ProtocolViolation?

    static let abnormal = ConnectionClosed(code: .abnormal, reason: "", wasClean: false)
}

/// What the owner must do with the transport once the output is flushed.
public enum TransportAction: Equatable, Sendable {
    /// Continue reading and writing.
    case keepOpen
    /// Shut down the sending side, then read and discard input until the peer closes or a short timeout (a second or two) passes.
    /// Closing at once with unread input would reset the connection, and could destroy the close frame in transit.
    case halfCloseAndLinger
    /// Leave both sides open until the peer closes or a short timeout passes: the server closes first, RFC 6455 §7.1.1.
    case awaitPeerClose
    /// Close now.
    case drop
}

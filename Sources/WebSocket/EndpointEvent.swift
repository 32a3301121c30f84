/// What happens on a connection, in the order of the wire. Payloads are views that are valid until the endpoint is
/// asked for the next event.
public enum EndpointEvent {
    /// A whole text message, well-formed UTF-8.
    case text(UnsafeRawBufferPointer)
    /// A whole binary message.
    case binary(UnsafeRawBufferPointer)
    /// A ping; its pong is written or waits for the output to drain.
    case ping(UnsafeRawBufferPointer)
    /// A pong, asked for or not.
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
    /// Whether close frames went both ways.
    public var wasClean: Bool
    /// Why this end failed the connection; its ``ProtocolViolation/closeCode`` was sent unless a close frame was out.
    public var violation: ProtocolViolation?

    static let abnormal = ConnectionClosed(code: .abnormal, reason: "", wasClean: false)
}

/// What the owner of the transport has to do, once the output is flushed.
public enum TransportAction: Equatable, Sendable {
    /// Go on reading and writing.
    case keepOpen
    /// Shut down the sending side, then read and drop what comes until the peer closes or a short time (a second or
    /// two) is over. Closing at once with unread input would reset the connection and may destroy the close frame
    /// that is still on its way.
    case halfCloseAndLinger
    /// Leave both sides open until the peer closes or a short time is over: the server closes first, RFC 6455 §7.1.1.
    case awaitPeerClose
    /// Close now; nothing more is owed.
    case drop
}

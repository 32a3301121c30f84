/// A layer between a connection and its socket: TLS, or fault injection in tests.
///
/// Has the interface of the system calls that it replaces, so that ``Connection`` has one code path: a count, or -1 with errno set.
/// A plain connection has no layer and pays one comparison with nil. Loop-confined; a layer serves one connection.
public class SocketLayer {
    /// The state of a handshake after a step.
    enum Handshake {
        case done
        case wantsRead
        case wantsWrite
        case failed(TLSError)
    }

    init() {}

    /// Whether ``handshake(_:)`` must complete before data can be sent or received.
    var needsHandshake: Bool { false }
    /// Whether this end opened the connection.
    var isClient: Bool { false }
    /// Deadline of the handshake.
    var handshakeTimeout: Duration { .seconds(10) }
    /// Advances the handshake without blocking.
    func handshake(_ descriptor: Int32) -> Handshake { .done }
    /// Called when the connection abandons the handshake, for the metrics.
    func handshakeAbandoned(_ error: TLSError) {}

    /// Like `recv`. `room` exceeds the size of a TLS record.
    func receive(_ descriptor: Int32, _ base: UnsafeMutableRawPointer, _ room: Int) -> Int { -1 }
    /// Like `send`. After `EAGAIN`, call again with the same bytes, possibly followed by more.
    func send(_ descriptor: Int32, _ base: UnsafeRawPointer, _ count: Int) -> Int { -1 }
    /// Announces the end of output to the peer, before the socket's half-close; -1 with `EAGAIN` to be called again.
    func closeOutput(_ descriptor: Int32) -> Int { 0 }

    /// Whether the layer has buffered bytes that the kernel no longer reports.
    var hasUnread: Bool { false }
    /// Whether receiving waits until the socket is writable.
    var receiveWantsWritable: Bool { false }
    /// The error after a call failed with `EPROTO`.
    var failure: TLSError? { nil }
    /// The subject of the peer's certificate; nil without one, or without TLS.
    var peerSubject: String? { nil }
}

/// What stands between a connection and its socket when it is not the bare socket: TLS, or faults in a test.
///
/// The seam has the form of the system calls that it replaces, so that ``Connection`` has one path: a count, or -1 with errno
/// set. A plain connection has no layer and pays one comparison with nil. Loop-confined; a layer serves one connection.
public class SocketLayer {
    /// Where a handshake stands after a step.
    enum Handshake {
        case done
        case wantsRead
        case wantsWrite
        case failed(TLSError)
    }

    init() {}

    /// Whether ``handshake(_:)`` must be done before bytes can be carried.
    var needsHandshake: Bool { false }
    /// Whether we opened the connection.
    var isClient: Bool { false }
    /// How long the handshake may take.
    var handshakeTimeout: Duration { .seconds(10) }
    /// One step of the handshake, as far as it goes without waiting.
    func handshake(_ descriptor: Int32) -> Handshake { .done }
    /// Tells that the connection gave the handshake up, for the counts.
    func handshakeAbandoned(_ error: TLSError) {}

    /// As `recv`. Takes at most `room` bytes, which is more than a TLS record has.
    func receive(_ descriptor: Int32, _ base: UnsafeMutableRawPointer, _ room: Int) -> Int { -1 }
    /// As `send`. After `EAGAIN` the same bytes must be given again, perhaps with more behind them.
    func send(_ descriptor: Int32, _ base: UnsafeRawPointer, _ count: Int) -> Int { -1 }
    /// Says to the peer that nothing more comes, before the socket's own half-close; -1 with `EAGAIN` to be asked again.
    func closeOutput(_ descriptor: Int32) -> Int { 0 }

    /// Whether bytes wait here of which the kernel knows nothing any more.
    var hasUnread: Bool { false }
    /// Whether receiving waits until the socket is writable.
    var receiveWantsWritable: Bool { false }
    /// What went wrong when a call failed with `EPROTO`.
    var failure: TLSError? { nil }
    /// The name in the peer's certificate; nil when it gave none, or there is no TLS.
    var peerSubject: String? { nil }
}

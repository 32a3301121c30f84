public import Bytes
import CLinux
import Glibc

/// A nonblocking stream socket in an event loop: bytes in by ``received(_:)``, bytes out through ``output``.
///
/// Loop-confined. A subclass is one protocol's shell: it overrides the `open` methods and turns bytes to meaning. What is
/// written during a turn leaves in one system call at its end. An idle connection owns no buffer.
open class Connection: Channel {
    /// Why a connection ended.
    public enum End: Sendable, Equatable {
        /// The peer closed its side, or the connection was closed here on purpose.
        case closed
        /// A read or write failed; the errno.
        case failed(Int32)
        /// TLS could not be made, or broke.
        case insecure(TLSError)
        /// The peer did not close in time after we did.
        case lingerTimeout
    }

    enum SocketState {
        case connecting
        /// The socket stands; its TLS is being made.
        case handshaking
        case open
        /// Nothing more is taken in; the output is sent, then our side is shut down.
        case finishing
        /// Our side is shut down; waiting for the peer to close its side, so that it reads all that we sent (RFC 9112 §9.6).
        case lingering
        case closed
    }

    /// Answers above this many bytes leave before the next connection's turn.
    static let promptOutputByteCount = 1024
    /// Above this many bytes of waiting output a connection is congested: whoever feeds it should wait for ``outputDrained()``.
    public static let congestionByteCount = 256 * 1024
    /// How long a peer may take nothing of what is due to it, once we want to close.
    public static let stallDuration = Duration.seconds(30)
    /// How long the peer has to close its side after we closed ours.
    public static let lingerDuration = Duration.seconds(3)

    /// Bytes that wait to be sent. Append, then call ``scheduleFlush()``.
    public final var output = ByteBuffer()
    final var bytesReceived: UInt64 = 0
    final private(set) var bytesSent: UInt64 = 0
    /// TLS, or faults in a test; nil on a bare socket.
    final var layer: SocketLayer?
    /// Told at the end in place of a plain close. In memory of its own, as few need it.
    final var failure: Failure?
    /// Place of the connection's timer among the loop's, ``TimerQueue/noPlace`` while none is set.
    final var timerPlace = TimerQueue.noPlace
    final private var interest: Readiness = []
    // One byte each, side by side: there are very many connections, and most of them idle.
    final var socketState: SocketState
    final var flushScheduled = false
    final var isReadingPaused = false
    final var isBlocked = false {
        didSet { if isBlocked != oldValue { loop.outputIsBlocked(isBlocked, of: self) } }
    }
    final var isHandshakeQueued = false
    final var isReadScheduled = false
    /// While reading is paused: the peer sends nothing behind what it has sent.
    final var isInputEndAnnounced = false

    final class Failure {
        let error: TLSError
        init(_ error: TLSError) { self.error = error }
    }

    /// Takes over a connected, nonblocking descriptor and starts reading.
    /// - Parameter layer: what the bytes go through on their way to the socket, such as ``TLSClientContext/layer(host:)``.
    public init(loop: EventLoop, descriptor: Int32, isConnecting: Bool = false, layer: SocketLayer? = nil) {
        self.layer = layer
        socketState = isConnecting ? .connecting : layer?.needsHandshake == true ? .handshaking : .open
        super.init(loop: loop, descriptor: descriptor)
    }

    /// Goes on with another's socket, layer and output when the protocol changes. The other has ended then, without being told.
    init(succeeding other: Connection) {
        layer = other.layer
        socketState = other.socketState
        bytesReceived = other.bytesReceived
        bytesSent = other.bytesSent
        interest = other.interest
        isReadingPaused = other.isReadingPaused
        isBlocked = other.isBlocked
        isInputEndAnnounced = other.isInputEndAnnounced
        failure = other.failure
        super.init(loop: other.loop, descriptor: other.descriptor)
        swap(&output, &other.output)
        other.cancelTimer()
        loop.replace(other, by: self)
        other.descriptor = -1
        other.layer = nil
        other.socketState = .closed
        if case .finishing = socketState { armLinger(Self.stallDuration) }
        if !output.isEmpty { scheduleFlush() }
    }

    /// Registers the connection with its loop, which then keeps it alive until it ends.
    public func start() throws(SystemCallError) {
        // Tokens are small and each one matters now: never wait to fill a segment. Fails on Unix sockets, harmlessly.
        setSocketOption(descriptor, IPPROTO_TCP_LEVEL, TCP_NODELAY, 1)
        interest = socketState == .connecting ? .writable : .readable
        do {
            try loop.register(self, interest: interest)
        } catch {
            close(descriptor)
            descriptor = -1
            socketState = .closed
            throw error
        }
        if case .handshaking = socketState { armHandshakeDeadline() }
    }

    // MARK: For the protocol's shell

    /// Bytes from the peer, valid and writable only within the call.
    open func received(_ bytes: UnsafeMutableRawBufferPointer) {}

    /// A connection that was being made stands, its TLS too.
    open func connected() {}

    /// The peer closed its side. The default closes ours after what is due was sent.
    open func inputClosed() { finish() }

    /// The peer closed its side while reading is paused. The default takes it for ``inputClosed()``. Whoever wants what was sent
    /// before does nothing: after ``resumeReading()`` the end comes in its turn.
    func inputEndAnnounced() { inputClosed() }

    /// A congested connection has sent everything.
    open func outputDrained() {}

    /// The peer takes no more for now: output waits from here on.
    func outputBlocked() {}

    /// The time that ``setTimer(after:)`` gave is over, and the connection is open.
    func timerFired() {}

    /// The connection is gone; called once, whatever the cause.
    open func ended(_ end: End) {}

    // MARK: Output

    public var isOpen: Bool { if case .open = socketState { true } else { false } }
    /// Whether nothing is due to the peer any more: its own close is all that is waited for.
    var isLingering: Bool { if case .lingering = socketState { true } else { false } }
    public var isCongested: Bool { output.count > Self.congestionByteCount }
    /// Bytes on their way to the peer, also those that are no output yet.
    var waitingOutputBytes: Int { output.count }

    /// Has what was appended to ``output`` sent at the end of this turn.
    public func scheduleFlush() {
        if flushScheduled || isBlocked { return }
        flushScheduled = true
        loop.scheduleFlush(self)
    }

    /// Whether a flush has something to do: bytes to send, or, behind the last of them, the end of our side.
    final var isFlushDue: Bool {
        if case .finishing = socketState { return true }
        return !output.isEmpty
    }

    /// Sends what waits before the end of the turn.
    final func flushNow() { if !isBlocked { flush() } }

    final func flush() {
        switch socketState {
        case .closed, .connecting, .handshaking, .lingering: return
        case .open, .finishing: break
        }
        // Also when all of it leaves at once: whoever saw the congestion waits for its end.
        let wasCongested = isBlocked || isCongested
        let byteCount = output.count
        while !output.isEmpty {
            let sent = sendSome()
            if sent >= 0 {
                output.consume(sent)
                bytesSent &+= UInt64(sent)
            } else if errno == EAGAIN {
                loop.spareOutput.keep(apartFrom: &output)
                let wasBlocked = isBlocked
                isBlocked = true
                updateInterest()
                if !wasBlocked { outputBlocked() }
                if case .finishing = socketState, output.count < byteCount { armLinger(Self.stallDuration) }
                return
            } else if errno != EINTR {
                end(.failed(errno))
                return
            }
        }
        loop.spareOutput.takeBack(&output)
        isBlocked = false
        if case .finishing = socketState {
            startLingering()
            return
        }
        updateInterest()
        if wasCongested { outputDrained() }
    }

    @inline(__always) private func sendSome() -> Int {
        let bytes = output.bytes
        guard let layer else { return clinux_send(descriptor, bytes.baseAddress, bytes.count) }
        return bytes.baseAddress.map { layer.send(descriptor, $0, bytes.count) } ?? 0
    }

    // MARK: Readiness

    override func ready(_ readiness: Readiness) {
        switch socketState {
        case .connecting:
            finishConnecting()
            return
        case .handshaking:
            queueHandshake()
            return
        case .open, .finishing, .lingering, .closed: break
        }
        if readiness == .writable, layer?.receiveWantsWritable == true { readReady(.readable) }
        if !readiness.isDisjoint(with: [.readable, .hangup, .failed, .peerClosed]) { readReady(readiness) }
        // Larger answers leave at once: kept until the end of the turn, each connection would hold storage of its own, which is
        // given back after the flush and comes from the kernel page by page in the next turn.
        if flushScheduled, !isBlocked, output.count > Self.promptOutputByteCount { flush() }
        if readiness.contains(.writable), descriptor >= 0 { flush() }
    }

    private func finishConnecting() {
        let code = pendingError()
        if code != 0 {
            end(.failed(code))
            return
        }
        if let layer, layer.needsHandshake {
            socketState = .handshaking
            armHandshakeDeadline()
            updateInterest()
            queueHandshake()
            return
        }
        opened()
    }

    func opened() {
        socketState = .open
        updateInterest()
        connected()
        scheduleFlush()
    }

    func pendingError() -> Int32 {
        var code: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &length)
        return code
    }

    func updateInterest() {
        var wanted: Readiness = []
        switch socketState {
        case .connecting: wanted = .writable
        // A blocked step waits for room alone: bytes that it does not read yet would wake the loop again and again.
        case .handshaking: wanted = isBlocked ? .writable : .readable
        case .open:
            wanted = !isReadingPaused ? .readable : isInputEndAnnounced ? [] : .peerClosed
            if isBlocked || layer?.receiveWantsWritable == true { wanted.insert(.writable) }
        case .finishing:
            if !isReadingPaused { wanted = .readable }
            if isBlocked { wanted.insert(.writable) }
        case .lingering: wanted = .readable
        case .closed: return
        }
        if wanted == interest { return }
        interest = wanted
        loop.setInterest(wanted, of: self)
    }

    override func loopStopped() { end(.closed) }
}

private let IPPROTO_TCP_LEVEL = Int32(IPPROTO_TCP)

public import Bytes
import CLinux
import Glibc

/// A nonblocking stream socket in an event loop: bytes in by ``received(_:)``, bytes out through ``output``.
///
/// Loop-confined. A subclass implements one protocol by overriding the `open` methods. Output written during an iteration is sent
/// by one system call at its end. An idle connection owns no buffer.
open class Connection: Channel {
    /// Why a connection ended.
    public enum End: Sendable, Equatable {
        /// The peer closed its side, or this side closed deliberately.
        case closed
        /// A read or write failed with this errno.
        case failed(Int32)
        /// TLS failed.
        case insecure(TLSError)
        /// The peer did not close in time.
        case lingerTimeout
    }

    enum SocketState {
        case connecting
        /// The socket is connected; the TLS handshake is in progress.
        case handshaking
        case open
        /// Input is discarded; the output is sent, then our side is shut down.
        case finishing
        /// Our side is shut down; waiting for the peer to close its own, so that it receives everything (RFC 9112 §9.6).
        case lingering
        case closed
    }

    /// Answers above this size, in bytes, are sent before the next connection is served.
    static let promptOutputByteCount = 1024
    /// Unsent output, in bytes, above which a connection is congested: producers should wait for ``outputDrained()``.
    public static let congestionByteCount = 256 * 1024
    /// How long a peer may read nothing of the pending output while we are closing.
    public static let stallDuration = Duration.seconds(30)
    /// How long to wait for the peer to close its side after ours.
    public static let lingerDuration = Duration.seconds(3)

    /// Unsent bytes. Append, then call ``scheduleFlush()``.
    public final var output = ByteBuffer()
    final var bytesReceived: UInt64 = 0
    final private(set) var bytesSent: UInt64 = 0
    /// TLS, or faults in a test; nil on a bare socket.
    final var layer: SocketLayer?
    /// Reported at the end instead of a plain close. Allocated separately, because few connections need it.
    final var failure: Failure?
    /// Index of the connection's timer in the loop's queue; ``TimerQueue/noPlace`` if not set.
    final var timerPlace = TimerQueue.noPlace
    final private var interest: Readiness = []
    // One byte each, adjacent: there are very many connections, most of them idle.
    final var socketState: SocketState
    final var flushScheduled = false
    final var isReadingPaused = false
    final var isBlocked = false {
        didSet { if isBlocked != oldValue { loop.outputIsBlocked(isBlocked, of: self) } }
    }
    final var isHandshakeQueued = false
    final var isReadScheduled = false
    /// Set while reading is paused: the peer has closed its side.
    final var isInputEndAnnounced = false

    final class Failure {
        let error: TLSError
        init(_ error: TLSError) { self.error = error }
    }

    /// Takes ownership of a nonblocking descriptor, connected or connecting.
    /// - Parameter layer: between the connection and the socket, such as ``TLSClientContext/layer(host:)``.
    public init(loop: EventLoop, descriptor: Int32, isConnecting: Bool = false, layer: SocketLayer? = nil) {
        self.layer = layer
        socketState = isConnecting ? .connecting : layer?.needsHandshake == true ? .handshaking : .open
        super.init(loop: loop, descriptor: descriptor)
    }

    /// Takes over another connection's socket, layer and output when the protocol changes. The other one has then ended, without a
    /// call of ``ended(_:)``.
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

    /// Registers the connection with its loop, which retains it until it ends.
    public func start() throws(SystemCallError) {
        // Tokens are small and urgent: never wait to fill a segment. Fails harmlessly on Unix sockets.
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

    // MARK: For the subclass

    /// Bytes from the peer, valid and writable only within the call.
    open func received(_ bytes: UnsafeMutableRawBufferPointer) {}

    /// The connection is established, including TLS.
    open func connected() {}

    /// The peer closed its side. By default, closes our side once the output is sent.
    open func inputClosed() { finish() }

    /// The peer closed its side while reading is paused. By default calls ``inputClosed()``. Override with an empty method to read
    /// the input before the end: after ``resumeReading()``, the end is reported in order.
    func inputEndAnnounced() { inputClosed() }

    /// A congested connection has sent all output.
    open func outputDrained() {}

    /// The socket is full: output waits from here on.
    func outputBlocked() {}

    /// The deadline of ``setTimer(after:)`` has passed, and the connection is open.
    func timerFired() {}

    /// The connection has ended; called exactly once, whatever the cause.
    open func ended(_ end: End) {}

    // MARK: Output

    public var isOpen: Bool { if case .open = socketState { true } else { false } }
    /// Whether all output is sent, and only the peer's close is awaited.
    var isLingering: Bool { if case .lingering = socketState { true } else { false } }
    public var isCongested: Bool { output.count > Self.congestionByteCount }
    /// Bytes due to the peer, including those not yet in ``output``.
    package var waitingOutputBytes: Int { output.count }

    /// Sends ``output`` at the end of this iteration.
    public func scheduleFlush() {
        if flushScheduled || isBlocked { return }
        flushScheduled = true
        loop.scheduleFlush(self)
    }

    /// Makes room for an event in an output without storage.
    @inline(__always)
    final func reserveForEvent() { if output.capacity == 0 { loop.spareOutput.lendRoomForEvent(to: &output) } }

    /// Whether a flush has work to do: bytes to send, or our side to close after them.
    final var isFlushDue: Bool {
        if case .finishing = socketState { return true }
        return !output.isEmpty
    }

    /// Sends the output before the end of the iteration.
    final func flushNow() { if !isBlocked { flush() } }

    final func flush() {
        switch socketState {
        case .closed, .connecting, .handshaking, .lingering: return
        case .open, .finishing: break
        }
        // Even if all of it is sent at once: a producer that saw the congestion waits for its end.
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
        // Send larger answers at once: until the end of the iteration, each connection would need separate storage, freed after the
        // flush and faulted in page by page in the next iteration.
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
        // A blocked step waits only for room: unread bytes would wake the loop repeatedly.
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

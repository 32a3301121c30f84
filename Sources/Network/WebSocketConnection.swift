public import Bytes
public import WebSocket

/// What a WebSocket is made on: a connection after its handshake.
public struct WebSocketTransport {
    let connection: Connection
    let role: Role
    let limits: WebSocketLimits
    var extensions = NegotiatedExtensions.none
    var liveness = WebSocketLiveness.Shared.standard
}

/// One end of an open WebSocket over a ``Connection``. Loop-confined. A face subclasses it and overrides the `open` methods.
///
/// The connection owns it. It looks after its peer by ``WebSocketLiveness``: pings that measure the round trip, an end when
/// nothing at all has come for two intervals, and limits on idleness and age.
open class WebSocketConnection {
    /// Bytes of messages, inflated, that one connection may have delivered in one turn of its loop.
    static let maxDeliveredBytesPerTurn = 4 << 20
    /// How long the close handshake may take.
    public static let closeTimeout = Duration.seconds(5)

    public let loop: EventLoop
    /// Strong, since a weak reference costs atomics on every message: the cycle is broken when the transport ends, as it always does.
    private var connection: Connection?
    private var endpoint: WebSocketEndpoint
    private let liveness: WebSocketLiveness.Shared
    private var keepAlive: LoopTimer?
    private var pulse: WebSocketPulse
    private var closeCodeSent: CloseCode?
    /// What was read in an earlier turn and waits for its own.
    private var unread = ByteBuffer()
    private var isEnded = false

    public init(_ transport: WebSocketTransport) {
        connection = transport.connection
        loop = transport.connection.loop
        endpoint = WebSocketEndpoint(role: transport.role, limits: transport.limits, extensions: transport.extensions)
        liveness = transport.liveness
        pulse = WebSocketPulse(now: loop.now)
        scheduleKeepAlive()
    }

    // MARK: For the face

    /// A whole text message in UTF-8, valid within the call.
    open func receivedText(_ text: UnsafeRawBufferPointer) {}
    /// A whole binary message, valid within the call.
    open func receivedBinary(_ bytes: UnsafeRawBufferPointer) {}
    /// A congested connection has sent everything.
    open func drained() {}
    /// The last call, whatever the cause.
    open func closed(_ end: ConnectionClosed) {}
    /// Whether something runs that a limit on age or idleness should not cut.
    open var isBusy: Bool { false }
    /// Adds to the operator's view what only the face knows.
    open func describe(_ report: inout ConnectionReport) {}

    public var isCongested: Bool { connection?.isCongested ?? false }
    public var isOpen: Bool { endpoint.state == .open && connection != nil }

    /// Sends a text message; `body` appends its UTF-8. It leaves at the end of this turn.
    public func sendText(_ body: (inout ByteBuffer) -> Void) {
        guard isOpen, let connection else { return }
        var message = ByteBuffer()
        body(&message)
        try? endpoint.send(.text, message.bytes, into: &connection.output)
        countSent()
        connection.scheduleFlush()
    }

    /// Sends a text message made of two pieces, without joining them first.
    public func sendText(_ payload: UnsafeRawBufferPointer, suffix: UnsafeRawBufferPointer) {
        guard isOpen, let connection else { return }
        try? endpoint.send(.text, payload, suffix: suffix, into: &connection.output)
        countSent()
        connection.scheduleFlush()
    }

    /// Sends a message.
    public func send(_ kind: MessageKind, _ payload: UnsafeRawBufferPointer) {
        guard isOpen, let connection else { return }
        try? endpoint.send(kind, payload, into: &connection.output)
        countSent()
        connection.scheduleFlush()
    }

    /// Starts the close handshake.
    public func close(_ code: CloseCode, reason: String = "") {
        guard isOpen, let connection else { return }
        endpoint.close(code, reason: reason, into: &connection.output)
        countClose(sent: code)
        connection.scheduleFlush()
        loop.schedule(after: Self.closeTimeout) { [weak self] in self?.connection?.abort() }
    }

    /// Ends the connection at once, without a handshake.
    public func abort(reset: Bool = false) { connection?.abort(reset: reset) }

    // MARK: For the connection

    func received(_ bytes: UnsafeMutableRawBufferPointer) {
        pulse.received = loop.now
        if unread.isEmpty { process(bytes) } else { unread.append(UnsafeRawBufferPointer(bytes)) }
    }

    private func process(_ bytes: UnsafeMutableRawBufferPointer) {
        var input = bytes
        var deliveredByteCount = 0
        while let connection, let event = endpoint.next(&input, output: &connection.output) {
            switch event {
            case .text(let text):
                countReceived()
                deliveredByteCount += text.count
                receivedText(text)
            case .binary(let bytes):
                countReceived()
                deliveredByteCount += bytes.count
                receivedBinary(bytes)
            case .ping: break
            case .pong(let payload):
                if let trip = pulse.pong(payload, now: Instant.monotonicNow) { loop.counters.pointee.roundTrips.record(trip) }
            case .closed(let closed): end(closed)
            }
            if deliveredByteCount > Self.maxDeliveredBytesPerTurn, !input.isEmpty {
                postpone(UnsafeRawBufferPointer(input), connection)
                break
            }
        }
        guard let connection else { return }
        if !connection.output.isEmpty { connection.scheduleFlush() }
        switch endpoint.transportAction {
        // A peer that commands and does not read is not listened to until it has.
        case .keepOpen: if connection.isCongested { connection.pauseReading() }
        case .halfCloseAndLinger: connection.finish()
        case .awaitPeerClose: loop.schedule(after: Self.closeTimeout) { [weak self] in self?.connection?.abort() }
        case .drop: connection.abort()
        }
    }

    /// Leaves the rest for the next turn: a few bytes may inflate to very many, and the loop has others to serve.
    private func postpone(_ rest: UnsafeRawBufferPointer, _ connection: Connection) {
        unread.append(rest)
        connection.pauseReading()
        loop.schedule(after: .zero) { [weak self] in
            guard let self, let connection = self.connection else { return }
            var waiting = ByteBuffer()
            swap(&waiting, &self.unread)
            if !connection.isCongested { connection.resumeReading() }
            self.process(waiting.mutableBytes)
        }
    }

    func transportDrained() {
        if let connection {
            endpoint.outputDrained(into: &connection.output)
            if !connection.output.isEmpty { connection.scheduleFlush() }
            connection.resumeReading()
        }
        drained()
    }

    func inputClosed() {
        if let closed = endpoint.transportEnded() { end(closed) }
        connection?.finish()
    }

    func transportEnded() {
        if let closed = endpoint.transportEnded() { end(closed) }
        keepAlive?.cancel()
        connection = nil
    }

    private func end(_ closed: ConnectionClosed) {
        if isEnded { return }
        isEnded = true
        keepAlive?.cancel()
        loop.counters.pointee.closeCodesReceived[closed.code.rawValue, default: 0] += 1
        // A violation is answered with its code, a close frame with the peer's own (RFC 6455 §5.5.1).
        if let violation = closed.violation {
            countClose(sent: violation.closeCode)
        } else if closed.wasClean {
            countClose(sent: closed.code)
        }
        self.closed(closed)
    }

    // MARK: Counting

    private func countSent() {
        pulse.message = loop.now
        loop.counters.pointee.webSocketMessagesSent &+= 1
    }

    private func countReceived() {
        pulse.message = loop.now
        loop.counters.pointee.webSocketMessagesReceived &+= 1
    }

    /// One close frame leaves a connection, whoever began.
    private func countClose(sent code: CloseCode) {
        guard closeCodeSent == nil else { return }
        closeCodeSent = code
        loop.counters.pointee.closeCodesSent[code.rawValue, default: 0] += 1
    }

    func describe(in report: inout ConnectionReport) {
        report.silence = loop.now - pulse.received
        report.roundTrip = pulse.roundTrip
        describe(&report)
    }

    // MARK: Looking after the peer

    private func scheduleKeepAlive() {
        // Strong: once an object was referenced weakly, each retain of it costs several times as much. Cancelled at the end.
        keepAlive = loop.schedule(after: liveness.checkInterval) { self.checkAlive() }
    }

    private func checkAlive() {
        guard !isEnded, let connection else { return }
        switch pulse.action(now: loop.now, liveness.value, isBusy: isBusy) {
        case .nothing: break
        case .drop:
            loop.counters.pointee.pingTimeouts += 1
            connection.abort()
            return
        case .close(let code, let reason): close(code, reason: reason)
        case .ping:
            // The clock's own reading: its nanoseconds tell one ping from another.
            let now = Instant.monotonicNow
            pulse.pingSent = now
            withUnsafeBytes(of: now.nanoseconds) { try? endpoint.ping($0, into: &connection.output) }
            connection.scheduleFlush()
        }
        scheduleKeepAlive()
    }
}

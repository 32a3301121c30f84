public import Bytes
public import WebSocket

/// What a WebSocket is made on: a connection after its handshake.
public struct WebSocketTransport {
    let connection: Connection
    let role: Role
    let limits: WebSocketLimits
    var extensions = NegotiatedExtensions.none
    var liveness = WebSocketLiveness.Shared.standard
    /// Of a server.
    var client: ServedClient?
}

/// One end of an open WebSocket over a ``Connection``. Loop-confined. A face subclasses it and overrides the `open` methods.
///
/// It takes the socket over from the connection that made the handshake, which ends there: one object serves an open WebSocket.
/// It looks after its peer by ``WebSocketLiveness``: pings that measure the round trip, an end when nothing at all has come for
/// two intervals, and limits on idleness and age.
open class WebSocketConnection: Connection {
    /// Bytes of messages, inflated, that one connection may have delivered in one turn of its loop, each counted
    /// ``deliveryByteCount`` more than it has: what the smallest costs whoever else is served.
    static let maxDeliveredBytesPerTurn = 1 << 20
    static let deliveryByteCount = 1024
    /// How long the peer's close frame may take once ours has left.
    public static let closeTimeout = Duration.seconds(5)

    private var isConcluded = false
    private var closeCodeSent: CloseCode?
    private var endpoint: WebSocketEndpoint
    private var pulse: WebSocketPulse
    private let liveness: WebSocketLiveness.Shared
    /// What was read in an earlier turn and waits for its own. Until then nothing is read.
    private var unread: [UInt8] = []
    private var isUnreadScheduled = false
    private var areMessagesPaused = false
    private let client: ServedClient?
    private var held = HeldInput()
    private var retainedByteCount = 0

    public init(_ transport: WebSocketTransport) {
        endpoint = WebSocketEndpoint(
            role: transport.role, limits: transport.limits, extensions: transport.extensions,
            scratch: transport.connection.loop.receiverScratch)
        pulse = WebSocketPulse(now: transport.connection.loop.now)
        liveness = transport.liveness
        client = transport.client
        super.init(succeeding: transport.connection)
        if super.isOpen { setTimer(after: liveness.checkInterval) }
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

    /// Of a server: loop and number, as in ``ConnectionReport/id``, and as the access line of the upgrade names it.
    public final var connectionID: String? { client?.connectionID(on: loop) }

    /// Whether messages can be sent: neither end has begun to close.
    public final override var isOpen: Bool { endpoint.state == .open && super.isOpen }

    /// Sends a text message; `body` appends its UTF-8. It leaves at the end of this turn.
    public func sendText(_ body: (inout ByteBuffer) -> Void) {
        guard isOpen else { return }
        var message = ByteBuffer()
        body(&message)
        try? endpoint.send(.text, message.bytes, into: &output)
        countSent()
        scheduleFlush()
    }

    /// Sends a text message made of two pieces, without joining them first.
    public func sendText(_ payload: UnsafeRawBufferPointer, suffix: UnsafeRawBufferPointer) {
        guard isOpen else { return }
        try? endpoint.send(.text, payload, suffix: suffix, into: &output)
        countSent()
        scheduleFlush()
    }

    /// Sends a message.
    public func send(_ kind: MessageKind, _ payload: UnsafeRawBufferPointer) {
        guard isOpen else { return }
        try? endpoint.send(kind, payload, into: &output)
        countSent()
        scheduleFlush()
    }

    /// Starts the close handshake.
    public func close(_ code: CloseCode, reason: String = "") {
        guard isOpen else { return }
        endpoint.close(code, reason: reason, into: &output)
        countClose(sent: code)
        scheduleFlush()
        setTimer(after: Self.closeTimeout)
    }

    /// Delivers no further message until ``resumeMessages()``, and reads no more: for a message whose work goes on off the loop.
    public final func pauseMessages() {
        areMessagesPaused = true
        // Not only from within a message: what the peer sends meanwhile stays with the kernel.
        pauseReading()
    }

    /// Tells of how many bytes the face keeps delivered messages, in all: they count with what the server holds for its clients.
    public final func retain(byteCount: Int) {
        let hasGrown = byteCount > retainedByteCount
        retainedByteCount = byteCount
        // Whether there is room for more is asked when the message has been taken: see process().
        if !hasGrown, isOpen { _ = hold() }
    }

    /// Goes on, in an iteration of its own, with what was read before.
    public final func resumeMessages() {
        guard areMessagesPaused else { return }
        areMessagesPaused = false
        pulse.received = loop.now
        scheduleUnread()
    }

    // MARK: For the connection

    public final override func received(_ bytes: UnsafeMutableRawBufferPointer) {
        pulse.received = loop.now
        if unread.isEmpty, !areMessagesPaused {
            process(bytes)
        } else {
            unread.append(contentsOf: bytes)
            _ = hold()
        }
    }

    private func process(_ bytes: UnsafeMutableRawBufferPointer) {
        var input = bytes
        var deliveredByteCount = 0
        var inflatedByteCount = endpoint.deflatedByteCount
        // What is answered at once leaves below: the loop need not come back for it at the end of the turn.
        let wasScheduled = flushScheduled
        flushScheduled = true
        while let event = endpoint.next(&input, output: &output, maxDeflatedBytes: loop.inflation.allowance(loop.now)) {
            deliveredByteCount += Self.deliveryByteCount
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
            case .closed(let closed): conclude(closed)
            }
            if areMessagesPaused { break }
            if deliveredByteCount > Self.maxDeliveredBytesPerTurn || isCongested, !input.isEmpty { break }
            if hasInflatedEnough(since: &inflatedByteCount), !input.isEmpty { break }
        }
        _ = hasInflatedEnough(since: &inflatedByteCount)
        if areMessagesPaused {
            unread.append(contentsOf: input)
            pauseReading()
        } else if !input.isEmpty {
            postpone(UnsafeRawBufferPointer(input))
        }
        flushScheduled = wasScheduled
        guard hold() else { return }
        // It costs no more than at the end of the turn, and the answers of many connections need no storage meanwhile.
        if isFlushDue { flushNow() }
        switch endpoint.transportAction {
        // A peer that commands and does not read is not listened to until it has.
        case .keepOpen: if isCongested { pauseReading() }
        case .halfCloseAndLinger: finish()
        case .awaitPeerClose: if super.isOpen { setTimer(after: Self.closeTimeout) }
        case .drop: abort()
        }
    }

    /// Whether this iteration of the loop has decompressed as much as it may.
    @inline(__always) private func hasInflatedEnough(since before: inout UInt32) -> Bool {
        let count = endpoint.deflatedByteCount
        if count == before { return false }
        defer { before = count }
        return loop.inflation.spend(compressed: Int(count &- before), now: loop.now)
    }

    /// Tells what of a message is held.
    /// - Returns: false when there is no room, and the connection has been closed for it.
    @inline(__always) private func hold() -> Bool {
        guard let client else { return true }
        if held.set(endpoint.heldByteCount + unread.count + retainedByteCount, on: loop, by: client.server.handler) { return true }
        giveUp(.tryAgainLater, reason: "overloaded: the server holds as much for its clients as it may; connect again later")
        return false
    }

    /// Closes without waiting for the peer's close frame: ours goes behind what is queued, and the peer has
    /// ``Connection/stallDuration`` to go on taking it.
    private func giveUp(_ code: CloseCode, reason: String) {
        endpoint.close(code, reason: reason, into: &output)
        countClose(sent: code)
        leave()
    }

    /// Waits for nothing more of the peer; what is due to it still goes out.
    private func leave() {
        if let closed = endpoint.transportEnded() { conclude(closed) }
        unread = []
        held.clear(on: loop)
        finish()
    }

    /// Leaves the rest for the next turn: a few bytes may inflate to very many, and the loop has others to serve.
    private func postpone(_ rest: UnsafeRawBufferPointer) {
        unread.append(contentsOf: rest)
        pauseReading()
        scheduleUnread()
    }

    private func scheduleUnread() {
        if isUnreadScheduled { return }
        isUnreadScheduled = true
        // Strong: once an object was referenced weakly, each retain of it costs several times as much.
        loop.schedule(after: .zero) {
            self.isUnreadScheduled = false
            self.takeUpUnread()
        }
    }

    private func takeUpUnread() {
        // A peer that does not take the answers is not asked for more: see outputDrained().
        guard case .open = socketState, !isCongested, !areMessagesPaused else { return }
        var waiting: [UInt8] = []
        swap(&waiting, &unread)
        waiting.withUnsafeMutableBytes { process($0) }
        if unread.isEmpty, !isCongested, !areMessagesPaused { resumeReading() }
    }

    public final override func outputDrained() {
        endpoint.outputDrained(into: &output)
        if !output.isEmpty { scheduleFlush() }
        if !areMessagesPaused { if unread.isEmpty { resumeReading() } else { scheduleUnread() } }
        drained()
    }

    /// What was said before the end counts: it is read when the peer has taken what is due to it.
    final override func inputEndAnnounced() {}

    public final override func inputClosed() {
        if let closed = endpoint.transportEnded() { conclude(closed) }
        finish()
    }

    public final override func ended(_ end: End) {
        client?.left(self)
        held.clear(on: loop)
        if let closed = endpoint.transportEnded() { conclude(closed) }
    }

    private func conclude(_ closed: ConnectionClosed) {
        if isConcluded { return }
        isConcluded = true
        loop.counters.pointee.closeCodesReceived[LoopCounters.label(closed.code.rawValue), default: 0] += 1
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
        loop.counters.pointee.closeCodesSent[LoopCounters.label(code.rawValue), default: 0] += 1
    }

    // MARK: For the operator

    override func count(into census: inout LoopCensus) { if client != nil { census.count(self, .webSocket) } }

    override func report() -> ConnectionReport? {
        guard let client else { return nil }
        var report = client.report(of: self, .webSocket, opened: pulse.opened, lastReceived: pulse.received)
        report.roundTrip = pulse.roundTrip
        describe(&report)
        return report
    }

    // MARK: Looking after the peer

    /// The peer's close frame did not come in time. One that has not taken ours yet cannot answer it: it gets what is due to it as
    /// long as it takes some of it.
    private func closeIsOverdue() {
        if output.isEmpty { abort() } else { leave() }
    }

    override func timerFired() {
        guard isOpen else {
            closeIsOverdue()
            return
        }
        // What we do not read is not the peer's silence.
        if areMessagesPaused { pulse.received = loop.now }
        pulse.note(sentByteCount: bytesSent, isBlocked: isBlocked, now: loop.now)
        switch pulse.action(now: loop.now, liveness.value, isBusy: isBusy) {
        case .nothing: break
        case .drop(let silence):
            // One that does not read sees no ping either, and its own words were not read: that says more.
            if isBlocked {
                giveUp(.tryAgainLater, reason: "slow consumer: what is sent was not read for \(silence); connect again and resume")
            } else {
                loop.counters.pointee.pingTimeouts += 1
                giveUp(.internalError, reason: "ping timeout: nothing came for \(silence)")
            }
            return
        case .close(let code, let reason):
            close(code, reason: reason)
            return
        case .ping:
            // The clock's own reading: its nanoseconds tell one ping from another.
            let now = Instant.monotonicNow
            pulse.pingSent = now
            withUnsafeBytes(of: now.nanoseconds) { try? endpoint.ping($0, into: &output) }
            scheduleFlush()
        }
        setTimer(after: liveness.checkInterval)
    }
}

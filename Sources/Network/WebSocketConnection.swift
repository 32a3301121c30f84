public import Bytes
public import WebSocket

/// A connection after its opening handshake, to create a WebSocket on.
public struct WebSocketTransport {
    let connection: Connection
    let role: Role
    let limits: WebSocketLimits
    var extensions = NegotiatedExtensions.none
    var liveness = WebSocketLiveness.Shared.standard
    /// For servers.
    var client: ServedClient?
}

/// One end of an open WebSocket over a ``Connection``. Loop-confined. A face subclasses it and overrides the `open` methods.
///
/// Takes over the socket from the connection that performed the handshake, which then ends, so an open WebSocket is one object.
/// ``WebSocketLiveness`` controls pings, which also measure the round trip, the timeout after two silent intervals, and limits on
/// idle time and age.
open class WebSocketConnection: Connection {
    /// Most decompressed bytes of messages that one connection delivers per loop iteration. Each message counts
    /// ``deliveryByteCount`` extra, for the cost of small ones to other connections.
    static let maxDeliveredBytesPerTurn = 1 << 20
    static let deliveryByteCount = 1024
    /// Deadline of the peer's close frame after ours.
    public static let closeTimeout = Duration.seconds(5)

    final private(set) var isConcluded = false
    private var closeCodeSent: CloseCode?
    private var endpoint: WebSocketEndpoint
    private var pulse: WebSocketPulse
    private let liveness: WebSocketLiveness.Shared
    /// Bytes read in an earlier iteration and not yet processed. Nothing more is read until then.
    private var unread: [UInt8] = []
    private var isUnreadScheduled = false
    private var areMessagesPaused = false
    private let client: ServedClient?
    private var held = HeldInput()
    private var retainedByteCount = 0
    /// A long message that leaves in fragments, and all that follows it; nil if there is none.
    private var long: LongMessages?
    /// Commands of the peer that are not done yet; nil if there are none.
    final var commands: CommandsUnderWay?

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

    // MARK: For the subclass

    /// A complete text message in UTF-8, valid within the call.
    open func receivedText(_ text: UnsafeRawBufferPointer) {}
    /// A complete binary message, valid within the call.
    open func receivedBinary(_ bytes: UnsafeRawBufferPointer) {}
    /// A congested connection has sent all output.
    open func drained() {}
    /// Called when this end begins to close, or to wait for commands under way before it closes: see ``isClosing``. A face that
    /// delays the end until anything but the answer to a command is sent must stop doing so.
    open func closing() {}
    /// The last call, whatever the cause; after the commands under way: ``delayingEnd(until:)``.
    open func closed(_ end: ConnectionClosed) {}
    /// Whether work is running that limits on age or idle time should not cut.
    open var isBusy: Bool { false }
    /// Adds the face's data to the operator's report.
    open func describe(_ report: inout ConnectionReport) {}

    /// For servers: loop and number, as in ``ConnectionReport/id``, and in the access line of the upgrade.
    public final var connectionID: String? { client?.connectionID(on: loop) }

    /// Whether messages can be sent: neither end has started to close.
    public final override var isOpen: Bool { canSend && long?.closing == nil }

    /// Whether a close has begun, even if our close frame still waits for commands under way. Until it leaves, a face sends the
    /// answers to these and nothing else.
    public final var isClosing: Bool { !isOpen || commands?.closing != nil }

    /// Whether frames can be sent: a long message may still leave in front of our close frame.
    private var canSend: Bool { endpoint.state == .open && super.isOpen }

    public final override var isCongested: Bool { long != nil || isOutputCongested }

    private var isOutputCongested: Bool { super.isCongested }

    /// Whether the peer's next commands wait. Within a long message they are still processed, until something waits behind it.
    private var mustNotRead: Bool { isOutputCongested || long?.hasMessagesBehind == true }

    package final override var waitingOutputBytes: Int { output.count + (long?.heldByteCount ?? 0) }

    /// Sends a text message at the end of this iteration; `body` appends its UTF-8.
    public func sendText(_ body: (inout ByteBuffer) -> Void) {
        guard isOpen else { return }
        var message = ByteBuffer()
        body(&message)
        send(.text, message.bytes)
    }

    /// Sends a text message made of two pieces, without joining them first unless it is long.
    public func sendText(_ payload: UnsafeRawBufferPointer, suffix: UnsafeRawBufferPointer) {
        guard isOpen else { return }
        if mustWait(byteCount: payload.count) { return sendLong(.text, [UInt8](payload) + suffix) }
        reserveForEvent()
        try? endpoint.send(.text, payload, suffix: suffix, into: &output)
        countSent()
        scheduleFlush()
    }

    /// Sends a message: a long one in fragments, as fast as the peer reads. Later messages follow it.
    public func send(_ kind: MessageKind, _ payload: UnsafeRawBufferPointer) {
        guard isOpen else { return }
        if mustWait(byteCount: payload.count) { return sendLong(kind, [UInt8](payload)) }
        reserveForEvent()
        try? endpoint.send(kind, payload, into: &output)
        countSent()
        scheduleFlush()
    }

    /// Whether a message waits behind a long one, or leaves in fragments.
    @inline(__always)
    private func mustWait(byteCount: Int) -> Bool {
        if long != nil { return true }
        if byteCount < PiecewiseOutput.leastByteCount { return false }
        return byteCount > PiecewiseOutput.pieceByteCount || isBlocked || isCongested
    }

    private func sendLong(_ kind: MessageKind, _ payload: [UInt8]) {
        countSent()
        if let long {
            long.append(kind, payload)
            return countHeld()
        }
        long = LongMessages(kind, payload)
        countHeld()
        sendFragment()
    }

    private func sendFragment() {
        guard let long else { return }
        long.isScheduled = false
        guard canSend else { return forgetLong() }
        // A congested connection reports when it has sent its output.
        guard !isBlocked, !isOutputCongested else { return }
        if (try? long.sendNext(&endpoint, into: &output)) != false {
            self.long = nil
            if let (code, reason) = long.closing { close(code, reason: reason) }
        }
        countHeld()
        scheduleFlush()
        // No flush reports the end of output that does not congest: the next message, a paused peer and the face wait for it.
        if !isOutputCongested { loop.schedule(after: .zero) { self.reportUncongested() } }
    }

    private func reportUncongested() {
        if case .open = socketState, !isBlocked { outputDrained() }
    }

    private func forgetLong() {
        if long == nil { return }
        long = nil
        countHeld()
    }

    /// Starts the close handshake, after the commands under way and a long message that is being sent. Messages that arrive
    /// meanwhile are discarded.
    public func close(_ code: CloseCode, reason: String = "") {
        if isClosing { return }
        closing()
        if endMustWait() {
            commands?.closing = (code, reason)
            return
        }
        if let long {
            long.closing = (code, reason)
            return
        }
        endpoint.close(code, reason: reason, into: &output)
        countClose(sent: code)
        scheduleFlush()
        setTimer(after: Self.closeTimeout)
    }

    /// Pauses delivery and reading until ``resumeMessages()``, while a message is processed off the loop.
    public final func pauseMessages() {
        areMessagesPaused = true
        // Also outside a message's callback: further input stays in the kernel.
        pauseReading()
    }

    /// Sets the total size of delivered messages that the face retains, in bytes, for the server's memory budget.
    public final func retain(byteCount: Int) {
        let hasGrown = byteCount > retainedByteCount
        retainedByteCount = byteCount
        // Room for more is checked after the message has been processed: see process().
        if !hasGrown, isOpen { _ = hold() }
    }

    /// Resumes in a later iteration, starting with the bytes already read.
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
        // Immediate answers are sent below, so the loop need not flush at the end of the iteration.
        let wasScheduled = flushScheduled
        flushScheduled = true
        while !isCloseDelayed(input),
            let event = endpoint.next(&input, output: &output, maxDeflatedBytes: loop.inflation.allowance(loop.now))
        {
            deliveredByteCount += Self.deliveryByteCount
            switch event {
            case .text where isCloseDue, .binary where isCloseDue: break
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
                if let trip = pulse.pong(payload, now: loop.clock.now) { loop.counters.pointee.roundTrips.record(trip) }
            case .closed(let closed): conclude(closed)
            }
            if areMessagesPaused { break }
            if deliveredByteCount > Self.maxDeliveredBytesPerTurn || mustNotRead, !input.isEmpty { break }
            if hasInflatedEnough(since: &inflatedByteCount), !input.isEmpty { break }
        }
        _ = hasInflatedEnough(since: &inflatedByteCount)
        let isCloseDelayed = isCloseDelayed(input)
        if isCloseDelayed { _ = endMustWait() }
        if areMessagesPaused || isCloseDelayed {
            unread.append(contentsOf: input)
            pauseReading()
        } else if !input.isEmpty {
            postpone(UnsafeRawBufferPointer(input))
        }
        flushScheduled = wasScheduled
        guard hold() else { return }
        // This costs no more than at the end of the iteration, and the answers of many connections need no storage until then.
        if isFlushDue { flushNow() }
        switch endpoint.transportAction {
        // A peer that sends commands without reading is paused until it reads.
        case .keepOpen: if mustNotRead { pauseReading() }
        case .halfCloseAndLinger: finish()
        case .awaitPeerClose: if super.isOpen { setTimer(after: Self.closeTimeout) }
        case .drop: abort()
        }
    }

    /// Whether our close frame waits for a long message or for commands.
    @inline(__always) private var isCloseDue: Bool { long?.closing != nil || commands?.closing != nil }

    /// Whether the peer's close frame comes next, but its commands are not yet done, or a long message that answers them is not yet
    /// sent. Our close frame follows that (RFC 6455 §5.5.1).
    @inline(__always) private func isCloseDelayed(_ input: UnsafeMutableRawBufferPointer) -> Bool {
        (long != nil || commands != nil) && endpoint.isCloseNext(input)
    }

    /// Whether this iteration's decompression budget is used up.
    @inline(__always) private func hasInflatedEnough(since before: inout UInt32) -> Bool {
        let count = endpoint.deflatedByteCount
        if count == before { return false }
        defer { before = count }
        return loop.inflation.spend(compressed: Int(count &- before), now: loop.now)
    }

    /// Memory for incomplete messages and for long ones that are being sent.
    private var heldByteCount: Int {
        endpoint.heldByteCount + unread.count + retainedByteCount + (long?.heldByteCount ?? 0)
    }

    /// Reports the memory in use. A message of the face is sent even if the budget is exhausted.
    private func countHeld() {
        if let client { _ = held.set(heldByteCount, on: loop, by: client.server.handler) }
    }

    /// Reports the memory in use.
    /// - Returns: false if the budget is exhausted and the connection has been closed.
    @inline(__always) private func hold() -> Bool {
        guard let client else { return true }
        if held.set(heldByteCount, on: loop, by: client.server.handler) { return true }
        giveUp(.tryAgainLater, reason: "overloaded: the server holds as much for its clients as it may; connect again later")
        return false
    }

    /// Closes without waiting for the peer's close frame. Ours follows the queued output, which the peer must keep reading within
    /// ``Connection/stallDuration``.
    private func giveUp(_ code: CloseCode, reason: String) {
        long = nil
        endpoint.close(code, reason: reason, into: &output)
        countClose(sent: code)
        leave()
    }

    /// Stops waiting for the peer; pending output is still sent.
    private func leave() {
        if let closed = endpoint.transportEnded() { conclude(closed) }
        unread = []
        held.clear(on: loop)
        finish()
    }

    /// Defers the rest to the next iteration, because a few bytes may decompress to very many.
    private func postpone(_ rest: UnsafeRawBufferPointer) {
        unread.append(contentsOf: rest)
        pauseReading()
        scheduleUnread()
    }

    private func scheduleUnread() {
        if isUnreadScheduled { return }
        isUnreadScheduled = true
        // Strong: once an object has been referenced weakly, each retain costs several times as much.
        loop.schedule(after: .zero) {
            self.isUnreadScheduled = false
            self.takeUpUnread()
        }
    }

    private func takeUpUnread() {
        // No more is read from a peer that does not read the answers: see outputDrained().
        guard case .open = socketState, !mustNotRead, !areMessagesPaused else { return }
        var waiting: [UInt8] = []
        swap(&waiting, &unread)
        waiting.withUnsafeMutableBytes { process($0) }
        if unread.isEmpty { readOn() }
    }

    /// Continues with unprocessed and unread input, unless it must wait.
    final func readOn() {
        guard case .open = socketState, !mustNotRead, !areMessagesPaused else { return }
        // TLS has reported the end, and the kernel may not: see inputClosed().
        if isInputEndAnnounced { scheduleRead() }
        if unread.isEmpty { resumeReading() } else { scheduleUnread() }
    }

    public final override func outputDrained() {
        endpoint.outputDrained(into: &output)
        if !output.isEmpty { scheduleFlush() }
        if let long {
            if long.isScheduled { return }
            long.isScheduled = true
            // Not within the flush, which would not end for a peer that reads fast. Input first: the fragment congests the output.
            loop.schedule(after: .zero) {
                self.takeUpUnread()
                self.sendFragment()
            }
            return
        }
        readOn()
        drained()
    }

    /// Input before the end still counts: it is read once the peer has read its output.
    final override func inputEndAnnounced() {}

    public final override func inputClosed() {
        if canSend, long != nil || endMustWait() {
            // The peer may still read: the end is read again after the long message or the commands.
            isInputEndAnnounced = true
            return pauseReading()
        }
        if let closed = endpoint.transportEnded() { conclude(closed) }
        finish()
    }

    override func loopStopped() {
        // No command of this loop continues.
        commands = nil
        super.loopStopped()
    }

    public final override func ended(_ end: End) {
        client?.left(self)
        held.clear(on: loop)
        long = nil
        if let closed = endpoint.transportEnded() { conclude(closed) }
    }

    private func conclude(_ closed: ConnectionClosed) {
        if isConcluded { return }
        isConcluded = true
        forgetLong()
        loop.counters.pointee.closeCodesReceived[LoopCounters.label(closed.code.rawValue), default: 0] += 1
        // A violation is answered with its code, a close frame with the peer's code (RFC 6455 §5.5.1).
        if let violation = closed.violation {
            countClose(sent: violation.closeCode)
        } else if closed.wasClean {
            countClose(sent: closed.code)
        }
        if endMustWait() { commands?.ended = closed } else { self.closed(closed) }
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

    /// Each connection sends one close frame, whichever end started.
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

    // MARK: Liveness

    /// The peer's close frame is overdue. A peer that has not read ours yet cannot answer it: it gets more time as long as it
    /// reads.
    private func closeIsOverdue() {
        if output.isEmpty { abort() } else { leave() }
    }

    override func timerFired() {
        guard canSend else {
            closeIsOverdue()
            return
        }
        // Input that is left unread does not count as the peer's silence.
        if areMessagesPaused || commands?.deadline != nil { pulse.received = loop.now }
        pulse.note(sentByteCount: bytesSent, isBlocked: isBlocked, now: loop.now)
        switch pulse.action(now: loop.now, liveness.value, isBusy: isBusy || commands != nil) {
        case .nothing: break
        case .drop(let silence):
            // A peer that does not read sees no ping either, and its input was not read: report that instead.
            if isBlocked {
                giveUp(.tryAgainLater, reason: "slow consumer: what is sent was not read for \(silence); connect again and resume")
            } else {
                loop.counters.pointee.pingTimeouts += 1
                giveUp(.internalError, reason: "ping timeout: nothing came for \(silence)")
            }
            return
        case .close(let code, let reason):
            close(code, reason: reason)
            // While our close frame waits, the liveness checks continue.
            if !canSend { return }
        case .ping:
            // A fresh clock reading: its nanoseconds identify the ping.
            let now = loop.clock.now
            pulse.pingSent = now
            withUnsafeBytes(of: now.nanoseconds) { try? endpoint.ping($0, into: &output) }
            scheduleFlush()
        }
        setTimer(after: liveness.checkInterval)
    }
}

import Bytes
import HTTP
import Logging
import WebSocket

/// The server's end of an HTTP/1.1 connection, until a ``WebSocketConnection`` takes over the socket. Loop-confined.
///
/// Requests are answered in order: while one is being answered, later ones wait unread.
final class HTTPConnection: Connection {
    let server: HTTPServer
    /// Address of the client, possibly from a PROXY header; nil for a Unix socket.
    let peer: IPAddress?
    let isUnix: Bool
    /// The client of the last request: behind a proxy, each request may have a different one.
    var clientAddress: IPAddress?
    private let number: UInt64
    private let opened: Instant
    private var lastReceived: Instant
    var parser: RequestParser
    /// Bytes read that belong to waiting requests.
    var unread = ByteBuffer()
    var head: RequestHead?
    /// The credential from the handler's terms.
    var credential: (any Sendable)?
    var body = ReceivedBody()
    /// Set while a compressed body is read.
    var encodedBody: EncodedBody?
    var held = HeldInput()
    var exchange: HTTPExchange?
    /// The owner of the socket after an upgrade.
    private var successor: WebSocketConnection?
    /// A refusal that waits for the rest of the head.
    var pendingRefusal: PendingRefusal?
    var isParsing = false
    /// Deadline of the current phase (idle, head, body).
    var phaseEnds: Instant
    var phase = Phase.idle
    /// How much of the answer the client had read at the last check.
    private var progress = OutputProgress()

    enum Phase {
        case idle, head, body, answering
        /// The handler is determining the terms of the request; nothing is read until then.
        case awaitingTerms
        /// The head is too large, and its rest is skipped: ``pendingRefusal``.
        case refusing
    }

    init(
        loop: EventLoop, descriptor: Int32, server: HTTPServer, peer: IPAddress?, isUnix: Bool, layer: SocketLayer? = nil
    ) {
        self.server = server
        self.peer = peer
        clientAddress = peer
        self.isUnix = isUnix
        number = loop.counters.pointee.connections
        opened = loop.now
        lastReceived = loop.now
        parser = RequestParser(limits: server.limits)
        phaseEnds = loop.now + server.deadlines.head
        super.init(loop: loop, descriptor: descriptor, layer: layer)
    }

    override func connected() {
        phaseEnds = loop.now + server.deadlines.head
        watchDeadline()
    }

    // MARK: Input

    override func received(_ bytes: UnsafeMutableRawBufferPointer) {
        lastReceived = loop.now
        if let pendingRefusal { return scan(UnsafeRawBufferPointer(bytes), for: pendingRefusal) }
        if !takesInput || !unread.isEmpty {
            // Bounded by one receive, because reading was paused when the exchange began or paused its body.
            unread.append(UnsafeRawBufferPointer(bytes))
            hold()
            if takesInput { parseUnread() }
            return
        }
        let left = parse(UnsafeRawBufferPointer(bytes))
        if left > 0 { keep(UnsafeMutableRawBufferPointer(rebasing: bytes[(bytes.count - left)...])) }
    }

    /// Whether received bytes go to the parser.
    var takesInput: Bool {
        if encodedBody?.isBehind ?? false { return false }
        return exchange.map(\.takesBody) ?? (phase != .awaitingTerms && phase != .refusing)
    }

    private func keep(_ bytes: UnsafeMutableRawBufferPointer) {
        if let successor {
            successor.received(bytes)
        } else {
            unread.append(UnsafeRawBufferPointer(bytes))
            hold()
        }
    }

    /// Reports the memory in use. Bytes after the request being answered are bounded and already read, so they may stay.
    @discardableResult
    func hold() -> Bool {
        let packed = encodedBody?.byteCount ?? 0
        return held.set(unread.count + packed + (exchange?.heldByteCount ?? body.count), on: loop, by: server.handler)
    }

    func parseUnread() {
        var waiting = ByteBuffer()
        swap(&waiting, &unread)
        let left = parse(waiting.bytes)
        waiting.consume(waiting.count - left)
        if left > 0 { keep(waiting.mutableBytes) } else { hold() }
    }

    /// Parses requests until the input is used up, or a request must be answered first.
    /// - Returns: unused bytes at the end of the input.
    private func parse(_ bytes: UnsafeRawBufferPointer) -> Int {
        var input = bytes
        isParsing = true
        defer { isParsing = false }
        do throws(MessageError) {
            // A client that sends requests without reading gets no further answers for now.
            while takesInput, isOpen, !isCongested {
                switch try parser.next(&input) {
                case .needsMoreBytes:
                    updatePhase()
                    return 0
                case .head(let head):
                    self.head = head
                    body = ReceivedBody()
                    if let terms = server.handler.terms(for: head) {
                        guard try take(head, on: terms) else { return 0 }
                    } else {
                        awaitTerms(for: head)
                    }
                case .body(let part):
                    if let encodedBody {
                        guard try decode(part, of: encodedBody) else { return 0 }
                    } else if !takeBody(part) {
                        return 0
                    }
                case .end:
                    try encodedBody?.decoder.finish()
                    encodedBody = nil
                    guard let exchange else {
                        dispatch()
                        continue
                    }
                    phase = .answering
                    exchange.bodyEnded()
                    if self.exchange != nil { pauseReading() }
                }
            }
        } catch {
            refuse(error, rest: input)
            return 0
        }
        if exchange == nil, isCongested { pauseReading() }
        return input.count
    }

    /// Takes a piece of the decompressed body.
    /// - Returns: false if the memory budget is exhausted and the request was refused.
    func takeBody(_ part: UnsafeRawBufferPointer) -> Bool {
        if let exchange {
            phaseEnds = phaseEnds + server.deadlines.time(forBytes: part.count)
            exchange.received(part)
            return true
        }
        body.append(part)
        if hold() { return true }
        refuseForRoom()
        return false
    }

    // MARK: Answering

    /// The exchange's response is complete.
    func exchangeEnded(keepAlive: Bool) {
        exchange = nil
        encodedBody = nil
        hold()
        scheduleFlush()
        guard keepAlive, isOpen else {
            finish()
            return
        }
        phase = .idle
        phaseEnds = loop.now + server.deadlines.idle
        watchDeadline()
        // Within the parser's call, its loop continues by itself.
        if !isParsing { goOn() }
    }

    /// The WebSocket owns the socket from now on, and receives the bytes already read for it.
    func upgraded(to webSocket: WebSocketConnection) {
        exchange = nil
        held.clear(on: loop)
        successor = webSocket
        loop.counters.pointee.webSockets += 1
        webSocket.resumeReading()
        // The parser's call passes on the rest of its input.
        if isParsing || unread.isEmpty { return }
        webSocket.received(unread.mutableBytes)
        unread.clear(keepingCapacity: 0)
    }

    /// The client of this connection.
    var client: ServedClient { ServedClient(server: server, number: number, peer: peer, address: clientAddress) }

    override func outputDrained() {
        let fed = exchange
        fed?.drained()
        // Nothing was dispatched, or the body of the current request stopped behind the previous answer.
        if fed === exchange, takesInput { goOn() }
    }

    // MARK: Ending

    override func inputEndAnnounced() {
        if exchange?.endsWithInput == true { inputClosed() }
    }

    /// The exchange now ends with the input, which may have ended before.
    func lookForInputEnd() {
        guard isInputEndAnnounced else { return }
        // Not within the caller's call.
        loop.schedule(after: .zero) { if self.isOpen { self.inputEndAnnounced() } }
    }

    override func inputClosed() {
        if pendingRefusal != nil { return concludeRefusal() }
        let exchange = exchange
        self.exchange = nil
        exchange?.disconnected()
        finish()
    }

    override func ended(_ end: End) {
        client.left(self)
        held.clear(on: loop)
        let exchange = exchange
        self.exchange = nil
        exchange?.disconnected()
    }

    // MARK: For the operator

    private var kind: ConnectionReport.Kind {
        exchange?.isEventStream == true ? .eventStream : .http
    }

    override func count(into census: inout LoopCensus) {
        census.count(self, kind)
    }

    override var waitingOutputBytes: Int { output.count + (exchange?.waitingAnswerBytes ?? 0) }

    override func report() -> ConnectionReport? {
        client.report(of: self, kind, opened: opened, lastReceived: lastReceived)
    }

    override func finishSoon() {
        // A request that has already arrived is answered.
        if isAtRest { ready(.readable) }
        if let exchange {
            exchange.closeAfterwards()
        } else if isAtRest {
            finish()
        }
    }

    /// Between two requests.
    private var isAtRest: Bool { isOpen && exchange == nil && phase == .idle && unread.isEmpty }

    // MARK: Deadlines

    private func updatePhase() {
        let new: Phase = parser.isIdle ? .idle : parser.isReadingHead ? .head : .body
        if new == phase { return }
        phase = new
        phaseEnds =
            loop.now
            + (new == .idle ? server.deadlines.idle : new == .head ? server.deadlines.head : server.deadlines.body)
        watchDeadline()
    }

    /// The timer is normally reset only when it fires: a request moves the deadline, not the timer. It is set earlier only if a new
    /// phase ends before it would fire.
    func watchDeadline() {
        guard isOpen else { return }
        if let timerDeadline, timerDeadline <= phaseEnds { return }
        setTimer(after: phaseEnds - loop.now)
    }

    override func timerFired() {
        guard isOpen else { return }
        if phase == .answering || phase == .awaitingTerms || exchange?.isBodyPaused ?? false {
            lookForProgress()
        } else if loop.now < phaseEnds {
            watchDeadline()
        } else if phase == .idle {
            finish()
        } else if phase == .refusing {
            concludeRefusal()
        } else {
            refuse(.requestTimeout, "The request did not come to its end in time.")
        }
    }

    /// Producing an answer has no deadline, but a client that reads nothing of its buffered output is reset, because the upstream
    /// waits with it. The reader of a session finds its events in the log after reconnecting.
    private func lookForProgress() {
        let stall = server.deadlines.stall
        // Any progress happened since the previous check.
        let look = stall / 4
        if !isBlocked {
            phaseEnds = loop.now + stall
        } else if progress.hasMoved(of: self) {
            phaseEnds = loop.now + look
        } else if loop.now - progress.seen < stall {
            phaseEnds = min(progress.seen + stall, loop.now + max(look, .milliseconds(1)))
        } else {
            loop.logger.debug(
                "a client took nothing of its answer",
                metadata: ["connection": "\(client.connectionID(on: loop))", "waiting_bytes": .stringConvertible(output.count)])
            abort(reset: true)
            return
        }
        watchDeadline()
    }

    override func outputBlocked() {
        guard phase == .answering else { return }
        phaseEnds = min(phaseEnds, loop.now + server.deadlines.stall / 4)
        watchDeadline()
    }
}

extension EventLoop {
    /// The text of the Date field, cached for a second.
    var httpDate: String {
        let seconds = unixTime
        if seconds != dateCache.seconds { dateCache = (seconds, HTTPDate.format(unixSeconds: seconds)) }
        return dateCache.text
    }
}

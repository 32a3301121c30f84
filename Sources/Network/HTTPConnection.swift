import Bytes
import HTTP
import Logging
import WebSocket

/// The server's end of a connection that speaks HTTP/1.1, until a ``WebSocketConnection`` takes the socket over. Loop-confined.
///
/// Requests are answered in their order: while one is being answered, later ones wait unread.
final class HTTPConnection: Connection {
    let server: HTTPServer
    /// Who connected, to us or to a proxy that says so; nil for a Unix socket.
    let peer: IPAddress?
    let isUnix: Bool
    /// Who asked last: behind a proxy, each request may have another client.
    var clientAddress: IPAddress?
    private let number: UInt64
    private let opened: Instant
    private var lastReceived: Instant
    var parser: RequestParser
    /// What was read and belongs to requests that wait.
    var unread = ByteBuffer()
    var head: RequestHead?
    /// What the handler said to it.
    var credential: (any Sendable)?
    var body = ReceivedBody()
    /// There while a body is read that comes packed.
    var encodedBody: EncodedBody?
    var held = HeldInput()
    var exchange: HTTPExchange?
    /// Who has the socket after an upgrade.
    private var successor: WebSocketConnection?
    /// A refusal whose answer waits for the rest of the head.
    var pendingRefusal: PendingRefusal?
    var isParsing = false
    /// When the current phase (idle, head, body) must be over.
    var phaseEnds: Instant
    var phase = Phase.idle
    /// How far the client had taken the answer when it was last looked at.
    private var progress = OutputProgress()

    enum Phase {
        case idle, head, body, answering
        /// The handler finds out on what terms the request is taken: nothing is read till then.
        case awaitingTerms
        /// The head is too large, and its rest is passed over: ``pendingRefusal``.
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
            // Bounded by one receive: reading was paused when the exchange began, or asked for a rest.
            unread.append(UnsafeRawBufferPointer(bytes))
            hold()
            if takesInput { parseUnread() }
            return
        }
        let left = parse(UnsafeRawBufferPointer(bytes))
        if left > 0 { keep(UnsafeMutableRawBufferPointer(rebasing: bytes[(bytes.count - left)...])) }
    }

    /// Whether bytes are for the parser now.
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

    /// Tells what is held. What waits behind a request that is answered is bounded and was read: it may stay.
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

    /// Takes requests off the input until it is used up or a request must be answered first.
    /// - Returns: bytes at the end of the input that were not used.
    private func parse(_ bytes: UnsafeRawBufferPointer) -> Int {
        var input = bytes
        isParsing = true
        defer { isParsing = false }
        do throws(MessageError) {
            // A client that asks and does not read is answered no more for now.
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

    /// Takes a piece of the body, as it is when it is unpacked.
    /// - Returns: false when there is no room, and the request was refused for it.
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
        // Within the parser's own call, its loop goes on by itself.
        if !isParsing { goOn() }
    }

    /// The WebSocket has the socket from now on, and gets what was read for it already.
    func upgraded(to webSocket: WebSocketConnection) {
        exchange = nil
        held.clear(on: loop)
        successor = webSocket
        loop.counters.pointee.webSockets += 1
        webSocket.resumeReading()
        // The parser's own call hands the rest of its input on.
        if isParsing || unread.isEmpty { return }
        webSocket.received(unread.mutableBytes)
        unread.clear(keepingCapacity: 0)
    }

    /// Who is served here.
    var client: ServedClient { ServedClient(server: server, number: number, peer: peer, address: clientAddress) }

    override func outputDrained() {
        let fed = exchange
        fed?.drained()
        // Nobody fed anything, or the body of what is answered stopped behind the answer before.
        if fed === exchange, takesInput { goOn() }
    }

    // MARK: Ending

    override func inputEndAnnounced() {
        if exchange?.endsWithInput == true { inputClosed() }
    }

    /// The exchange has come to be one that ends with the input, which may have ended before.
    func lookForInputEnd() {
        guard isInputEndAnnounced else { return }
        // Not within the call of whoever sets the exchange up.
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
        // A request that is here already is answered, not cut.
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

    /// The timer is set again only when it fires: a request moves the deadline, not the timer. Only when a new phase ends before
    /// the timer would look is it set anew.
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

    /// An answer may take as long as it likes; a client that takes nothing of what waits for it may not, since the answer's upstream
    /// waits with it. Whoever follows a session finds its events in the log when it comes back.
    private func lookForProgress() {
        let stall = server.deadlines.stall
        // What moved did so since the look before.
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
    /// The Date field's text for now, made once a second.
    var httpDate: String {
        let seconds = unixTime
        if seconds != dateCache.seconds { dateCache = (seconds, HTTPDate.format(unixSeconds: seconds)) }
        return dateCache.text
    }
}

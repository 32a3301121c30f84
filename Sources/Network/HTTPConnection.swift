import Bytes
import HTTP
import WebSocket

/// The server's end of a connection that speaks HTTP/1.1, and perhaps WebSocket after an upgrade. Loop-confined.
///
/// Requests are answered in their order: while one is being answered, later ones wait unread.
final class HTTPConnection: Connection {
    let server: HTTPServer
    /// Who connected, to us or to a proxy that says so; nil for a Unix socket.
    let peer: IPAddress?
    let isUnix: Bool
    private let number: UInt64
    private let opened: Instant
    private var lastReceived: Instant
    private var parser: RequestParser
    /// What was read and belongs to requests that wait.
    private var unread = ByteBuffer()
    private var head: RequestHead?
    private var body: [UInt8] = []
    private(set) var exchange: HTTPExchange?
    private(set) var webSocket: WebSocketConnection?
    private var deadline: LoopTimer?
    private var isParsing = false
    /// When the current phase (idle, head, body) must be over.
    private var phaseEnds: Instant
    private var phase = Phase.idle

    private enum Phase { case idle, head, body, answering }

    init(
        loop: EventLoop, descriptor: Int32, server: HTTPServer, peer: IPAddress?, isUnix: Bool, layer: SocketLayer? = nil
    ) {
        self.server = server
        self.peer = peer
        self.isUnix = isUnix
        number = loop.counters.pointee.connections
        opened = loop.now
        lastReceived = loop.now
        parser = RequestParser(limits: server.limits)
        phaseEnds = loop.now + server.deadlines.head
        super.init(loop: loop, descriptor: descriptor, layer: layer)
        watchDeadline()
    }

    // MARK: Input

    override func received(_ bytes: UnsafeMutableRawBufferPointer) {
        if let webSocket {
            webSocket.received(bytes)
            return
        }
        lastReceived = loop.now
        if exchange.map({ !$0.takesBody }) ?? false || !unread.isEmpty {
            // Bounded by one receive: reading was paused when the exchange began, or asked for a rest.
            unread.append(UnsafeRawBufferPointer(bytes))
            if exchange.map(\.takesBody) ?? true { parseUnread() }
            return
        }
        let left = parse(UnsafeRawBufferPointer(bytes))
        if left > 0 { keep(UnsafeMutableRawBufferPointer(rebasing: bytes[(bytes.count - left)...])) }
    }

    private func keep(_ bytes: UnsafeMutableRawBufferPointer) {
        if let webSocket { webSocket.received(bytes) } else { unread.append(UnsafeRawBufferPointer(bytes)) }
    }

    private func parseUnread() {
        var waiting = ByteBuffer()
        swap(&waiting, &unread)
        let left = parse(waiting.bytes)
        waiting.consume(waiting.count - left)
        if left > 0 { keep(waiting.mutableBytes) }
    }

    /// Takes requests off the input until it is used up or a request must be answered first.
    /// - Returns: bytes at the end of the input that were not used.
    private func parse(_ bytes: UnsafeRawBufferPointer) -> Int {
        var input = bytes
        isParsing = true
        defer { isParsing = false }
        do throws(MessageError) {
            // A client that asks and does not read is answered no more for now.
            while exchange.map(\.takesBody) ?? true, webSocket == nil, isOpen, !isCongested {
                switch try parser.next(&input) {
                case .needsMoreBytes:
                    updatePhase()
                    return 0
                case .head(let head):
                    self.head = head
                    body = []
                    if let length = head.contentLength, length > 0 { body.reserveCapacity(min(length, 1 << 20)) }
                    try parser.restrictBody(toBytes: server.handler.maxBodyBytes(for: head))
                    if head.body != .none, server.handler.streamsBody(of: head) {
                        dispatch(streaming: true)
                        // Whoever is refused at once need not send it.
                        guard exchange != nil else { continue }
                    }
                    if head.expectsContinue, head.body != .none {
                        ResponseWriter.appendContinue(into: &output)
                        scheduleFlush()
                    }
                case .body(let part):
                    if let exchange {
                        phaseEnds = phaseEnds + server.deadlines.time(forBytes: part.count)
                        exchange.received(part)
                    } else {
                        body.append(contentsOf: part)
                    }
                case .end:
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
            refuse(error)
            return 0
        }
        if exchange == nil, webSocket == nil, isCongested { pauseReading() }
        return input.count
    }

    /// Reads the next request, the bytes that are here already first.
    private func goOn() {
        if isCongested {
            pauseReading()
            return
        }
        resumeReading()
        if !unread.isEmpty { parseUnread() }
    }

    /// - Parameter streaming: whether the body is still to come.
    private func dispatch(streaming: Bool = false) {
        guard let head else { return }
        self.head = nil
        let client: RequestClient
        do throws(ForwardedError) {
            client = try server.proxies.trusted.client(of: peer, head.fields)
        } catch {
            refuse(.badRequest, error.advice)
            return
        }
        let exchange = HTTPExchange(request: head, body: body, client: client, connection: self, isBodyStreamed: streaming)
        body = []
        self.exchange = exchange
        phase = streaming ? .body : .answering
        if streaming {
            phaseEnds = loop.now + server.deadlines.body
            watchDeadline()
        }
        server.handler.handle(exchange)
        if !streaming, self.exchange != nil, webSocket == nil { pauseReading() }
    }

    /// The exchange takes no more of the body for now, or takes more again.
    func bodyDemandChanged(isPaused: Bool) {
        if isPaused {
            pauseReading()
            return
        }
        // What the exchange made wait is not the client's slowness.
        phaseEnds = max(phaseEnds, loop.now + server.deadlines.body)
        watchDeadline()
        resumeReading()
        // Within the parser's own call, its loop goes on by itself. Without a byte left there may still be the body's end to tell.
        if !isParsing { parseUnread() }
    }

    /// A request that is none: answer, and close, since nobody knows where the next one would begin.
    private func refuse(_ error: MessageError) {
        refuse(error.answer, error.advice)
    }

    private func refuse(_ status: HTTPStatus, _ message: String) {
        if let exchange {
            // Its body was being read: it is not going to be whole.
            self.exchange = nil
            let hasBegun = exchange.hasBegun
            exchange.disconnected()
            if hasBegun {
                abort(reset: true)
                return
            }
        }
        server.handler.requestRefused(status, on: loop)
        let answer = server.handler.errorAnswer(for: status, message)
        var writer = ResponseWriter(keepAlive: false)
        writer.begin(status, date: loop.httpDate, into: &output)
        for field in answer.fields { try? writer.field(field.name, field.value, into: &output) }
        writer.endHead(.bytes(answer.body.count), into: &output)
        answer.body.withUnsafeBytes { writer.write($0, into: &output) }
        writer.end(into: &output)
        finish()
    }

    // MARK: Answering

    /// The exchange's response is complete.
    func exchangeEnded(keepAlive: Bool) {
        exchange = nil
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

    func upgrade(to webSocket: WebSocketConnection) {
        exchange = nil
        deadline?.cancel()
        self.webSocket = webSocket
        loop.counters.pointee.webSockets += 1
        if isParsing { return }
        resumeReading()
        if !unread.isEmpty { parseUnread() }
    }

    override func outputDrained() {
        if let webSocket {
            webSocket.transportDrained()
        } else if let exchange {
            exchange.onDrained?()
        } else {
            goOn()
        }
    }

    // MARK: Ending

    override func inputClosed() {
        if let webSocket {
            webSocket.inputClosed()
            return
        }
        let exchange = exchange
        self.exchange = nil
        exchange?.disconnected()
        finish()
    }

    override func ended(_ end: End) {
        server.gate.release(peer)
        loop.counters.pointee.bytesReceived &+= bytesReceived
        loop.counters.pointee.bytesSent &+= bytesSent
        deadline?.cancel()
        deadline = nil
        let exchange = exchange
        self.exchange = nil
        exchange?.disconnected()
        webSocket?.transportEnded()
        webSocket = nil
    }

    // MARK: For the operator

    private var kind: ConnectionReport.Kind {
        webSocket != nil ? .webSocket : exchange?.isEventStream == true ? .eventStream : .http
    }

    override func count(into census: inout LoopCensus) {
        switch kind {
        case .http: census.http += 1
        case .eventStream: census.eventStreams += 1
        case .webSocket: census.webSockets += 1
        }
        if !isLingering { census.unfinished += 1 }
        census.queuedBytes += output.count
        census.bytesReceived &+= bytesReceived
        census.bytesSent &+= bytesSent
    }

    override func report() -> ConnectionReport? {
        let now = loop.now
        var report = ConnectionReport(
            id: "\(loop.index)-\(number)", peer: peer?.description, kind: kind, age: now - opened, silence: now - lastReceived,
            bytesReceived: bytesReceived, bytesSent: bytesSent, queuedBytes: output.count, isClosing: !isOpen)
        webSocket?.describe(in: &report)
        return report
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
    private var isAtRest: Bool { isOpen && webSocket == nil && exchange == nil && phase == .idle && unread.isEmpty }

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

    /// One timer for a connection, set again only when it fires: a request moves the deadline, not the timer. Only when a new
    /// phase ends before the timer would look is it set anew.
    private func watchDeadline() {
        if let deadline, deadline.isPending, deadline.deadline <= phaseEnds { return }
        deadline?.cancel()
        // Strong: once an object was referenced weakly, each retain of it costs several times as much. Cancelled at the end.
        deadline = loop.schedule(after: phaseEnds - loop.now) { self.deadlineReached() }
    }

    private func deadlineReached() {
        guard webSocket == nil, isOpen else { return }
        if phase == .answering || exchange?.isBodyPaused ?? false {
            phaseEnds = loop.now + server.deadlines.idle
            watchDeadline()
        } else if loop.now < phaseEnds {
            watchDeadline()
        } else if phase == .idle {
            finish()
        } else {
            refuse(.requestTimeout, "The request did not come to its end in time.")
        }
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

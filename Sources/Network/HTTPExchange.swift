public import Bytes
public import HTTP
public import WebSocket

/// One request and its response. Loop-confined; the connection drops it when the response is complete or the client gone.
public final class HTTPExchange {
    public let request: RequestHead
    /// The whole body; empty where it is streamed.
    public let received: ReceivedBody
    /// The whole body in one piece. To be asked for on a loop only when it is short: see ``ReceivedBody/joined``.
    public var body: [UInt8] { received.joined }
    /// Called with each piece of a streamed body (``RequestTerms/streamsBody``), valid within the call.
    public var onBody: ((UnsafeRawBufferPointer) -> Void)?
    /// Called once when a streamed body has come whole.
    public var onBodyEnd: (() -> Void)?
    /// Who asks: the peer, or whom a trusted proxy stands for.
    public let client: RequestClient
    /// What the handler found out about who asks: ``RequestTerms/credential``.
    public let credential: (any Sendable)?
    /// The address of who asks; nil for a Unix socket when no proxy says more.
    public var clientAddress: IPAddress? { client.address }
    /// Fields that every answer of this exchange gets, such as `x-request-id` and CORS.
    public var commonFields: [(name: String, value: String)] = []
    /// Called once when the client goes away before the response is complete.
    public var onDisconnect: (() -> Void)?
    /// Whether a client that closes its side while this is answered is taken for gone. A FIN does not say whether the client still
    /// reads: what costs money until somebody listens must not go on, while a short answer is simply sent.
    public var endsWithInput = false {
        didSet { if endsWithInput { connection?.lookForInputEnd() } }
    }
    /// Called when a congested connection has sent everything.
    public var onDrained: (() -> Void)?
    /// Loop and number of its connection, as in ``ConnectionReport/id``.
    public var connectionID: String { "\(loopIndex)-\(connectionNumber)" }
    private let loopIndex: Int
    private let connectionNumber: UInt64
    /// For the handler to know it by when it counts: what the request was for.
    public var label: UInt8 = 0
    /// What the handler wants to know of it at its end.
    public var record: AnyObject?
    /// Whether it answers by server-sent events.
    public private(set) var isEventStream = false
    /// Sent; nil as long as nothing was.
    public private(set) var status: HTTPStatus?
    /// When the request was complete.
    public let began: Instant

    /// What is to leave in pieces; nil when nothing is.
    private var piecewise: PiecewiseOutput?
    /// Bytes of the answer that are not the connection's output yet.
    var waitingAnswerBytes: Int { piecewise?.heldByteCount ?? 0 }
    /// Bytes that it holds of the request and of its answer.
    var heldByteCount: Int { received.count + waitingAnswerBytes }

    private enum State { case waiting, streaming, ended }
    private var state = State.waiting
    /// Whether some of the body is still to come.
    private var isBodyAwaited: Bool
    private(set) var isBodyPaused = false
    private var writer: ResponseWriter
    /// Strong, since a weak reference costs atomics on every token: the cycle is broken when the exchange ends, as it always does.
    private var connection: HTTPConnection?
    private let server: HTTPServer

    init(
        request: RequestHead, body: ReceivedBody, client: RequestClient, credential: (any Sendable)? = nil,
        connection: HTTPConnection,
        isBodyStreamed: Bool = false
    ) {
        self.credential = credential
        isBodyAwaited = isBodyStreamed
        self.request = request
        received = body
        self.client = client
        self.connection = connection
        server = connection.server
        peer = connection.peer
        loopIndex = connection.loop.index
        connectionNumber = connection.client.number
        began = connection.loop.now
        writer = ResponseWriter(answering: request)
    }

    public var loop: EventLoop? { connection?.loop }
    /// Whether the client came by a Unix socket: no browser does.
    public var isFromUnixSocket: Bool { connection?.isUnix ?? false }
    /// Address of the connection's other end; nil for a Unix socket.
    public let peer: IPAddress?
    /// The name in the client's certificate (RFC 4514), where TLS asked for one and the client has one.
    public var clientCertificateSubject: String? { connection?.peerCertificateSubject }
    /// Whether the status has been sent: from then on an error can only be told in the stream.
    public var hasBegun: Bool { state != .waiting }
    public var isEnded: Bool { state == .ended }
    /// Whether whoever feeds the response should wait for ``onDrained``.
    public var isCongested: Bool { piecewise != nil || connection?.isCongested ?? false }

    // MARK: A streamed body

    /// Whether the connection's bytes are pieces of the body that it wants now.
    var takesBody: Bool { isBodyAwaited && !isBodyPaused && state != .ended }

    /// Takes no more of a streamed body until ``resumeBody()``; the client is made to wait.
    public func pauseBody() {
        guard isBodyAwaited, !isBodyPaused, let connection else { return }
        isBodyPaused = true
        connection.bodyDemandChanged(isPaused: true)
    }

    public func resumeBody() {
        guard isBodyPaused else { return }
        isBodyPaused = false
        connection?.bodyDemandChanged(isPaused: false)
    }

    func received(_ part: UnsafeRawBufferPointer) { onBody?(part) }

    func bodyEnded() {
        isBodyAwaited = false
        onBodyEnd?()
    }

    // MARK: The answer

    /// Answers whole.
    public func respond(
        _ status: HTTPStatus, contentType: String? = nil, fields: [(name: String, value: String)] = [], body: [UInt8] = []
    ) {
        guard state == .waiting, let connection else { return }
        beginHead(status, contentType: contentType, fields: fields, connection)
        writer.endHead(.bytes(body.count), into: &connection.output)
        if body.count >= PiecewiseOutput.leastByteCount, request.method != .head, !status.forbidsBody {
            state = .streaming
            // What the answer was made of is over. A client that has said all and reads on gets the rest.
            onDisconnect = nil
            onDrained = nil
            endsWithInput = false
            piecewise = PiecewiseOutput(body)
            piecewise?.endsBehind = true
            return sendPiece()
        }
        body.withUnsafeBytes { writer.write($0, into: &connection.output) }
        finish(connection)
    }

    /// Begins a response that is written in pieces.
    /// - Parameter length: if it is known, so much must be written: what is cut shows.
    public func beginStream(
        _ status: HTTPStatus, contentType: String, fields: [(name: String, value: String)] = [], length: BodyLength = .unknown
    ) {
        guard state == .waiting, let connection else { return }
        if request.method == .head {
            return respondHead(status, contentType: contentType, fields: fields, length: length, connection)
        }
        state = .streaming
        if contentType.hasPrefix("text/event-stream") {
            isEventStream = true
            endsWithInput = true
            connection.loop.counters.pointee.eventStreams += 1
        }
        beginHead(status, contentType: contentType, fields: fields, connection)
        writer.endHead(length, into: &connection.output)
        connection.scheduleFlush()
    }

    /// HEAD ends with its head, whatever the handler would feed: it hears of the end as if the client had gone.
    private func respondHead(
        _ status: HTTPStatus, contentType: String, fields: [(name: String, value: String)], length: BodyLength,
        _ connection: HTTPConnection
    ) {
        let loop = connection.loop
        beginHead(status, contentType: contentType, fields: fields, connection)
        writer.endHead(length, into: &connection.output)
        state = .ended
        // Not within its own call; it may set the action behind it.
        loop.schedule(after: .zero) { [self] in
            let action = onDisconnect
            release()
            action?()
        }
        self.connection = nil
        server.handler.exchangeEnded(self)
        connection.exchangeEnded(keepAlive: writer.keepAlive)
    }

    /// Sends what `body` appends as one piece of the stream; it leaves at the end of this turn.
    public func write(_ body: (inout ByteBuffer) -> Void) {
        guard state == .streaming, let connection else { return }
        if piecewise != nil {
            piecewise?.append(body)
            return
        }
        let piece = writer.beginPiece(into: &connection.output)
        body(&connection.output)
        writer.endPiece(piece, into: &connection.output)
        connection.scheduleFlush()
    }

    /// Sends something long as a part of the stream: a piece in each iteration, and each when the one before has left. What is written
    /// meanwhile follows it.
    public func write(long bytes: [UInt8]) {
        guard state == .streaming, connection != nil else { return }
        guard bytes.count >= PiecewiseOutput.leastByteCount, piecewise == nil else { return write { $0.append(bytes) } }
        piecewise = PiecewiseOutput(bytes)
        sendPiece()
    }

    private func sendPiece() {
        guard state == .streaming, let connection, piecewise != nil else { return }
        let piece = piecewise?.next() ?? []
        let token = writer.beginPiece(into: &connection.output)
        piece.withUnsafeBytes { connection.output.append($0) }
        writer.endPiece(token, into: &connection.output)
        if piecewise?.isDone == true { return sendBehind(connection) }
        connection.hold()
        connection.scheduleFlush()
    }

    private func sendBehind(_ connection: HTTPConnection) {
        let endsBehind = piecewise?.endsBehind ?? false
        if piecewise?.hasMoreBehind == true {
            let token = writer.beginPiece(into: &connection.output)
            piecewise?.moveBehind(to: &connection.output)
            writer.endPiece(token, into: &connection.output)
        }
        piecewise = nil
        if endsBehind { return finish(connection) }
        connection.hold()
        connection.scheduleFlush()
        // Whoever saw the congestion waits for its end, which no flush tells of then.
        if !connection.isCongested { connection.loop.schedule(after: .zero) { [self] in drained() } }
    }

    /// A congested connection has sent everything.
    func drained() {
        if piecewise == nil {
            onDrained?()
        } else {
            // Not within the flush, which would go on and on for a client that reads fast.
            connection?.loop.schedule(after: .zero) { [self] in sendPiece() }
        }
    }

    /// Completes a stream.
    public func end() {
        guard state == .streaming, let connection else { return }
        if piecewise != nil {
            piecewise?.endsBehind = true
        } else {
            finish(connection)
        }
    }

    /// Breaks the stream off, so that the client sees that it is not whole.
    public func abort() {
        guard state != .ended, let connection else { return }
        state = .ended
        release()
        server.handler.exchangeEnded(self)
        connection.abort(reset: true)
    }

    /// Makes this the last exchange of its connection.
    public func closeAfterwards() { writer.closeAfterwards() }

    /// Turns the connection into a WebSocket; `make` gets the transport.
    public func upgrade(
        _ acceptance: HandshakeAcceptance, limits: WebSocketLimits, liveness: WebSocketLiveness.Shared = .standard,
        make: (WebSocketTransport) -> WebSocketConnection
    ) {
        guard state == .waiting, let connection else { return }
        state = .ended
        note(.switchingProtocols)
        release()
        acceptance.appendResponse(additionalFields: commonFields, into: &connection.output)
        let transport = WebSocketTransport(
            connection: connection, role: .server, limits: limits, extensions: acceptance.extensions, liveness: liveness,
            client: connection.client)
        connection.upgraded(to: make(transport))
        server.handler.exchangeEnded(self)
    }

    func disconnected() {
        guard state != .ended else { return }
        state = .ended
        let action = onDisconnect
        release()
        action?()
        server.handler.exchangeEnded(self)
    }

    private func beginHead(
        _ status: HTTPStatus, contentType: String?, fields: [(name: String, value: String)], _ connection: HTTPConnection
    ) {
        note(status)
        // What is left of the body would be read as the next request.
        if isBodyAwaited { writer.closeAfterwards() }
        writer.begin(status, date: connection.loop.httpDate, into: &connection.output)
        // A value that cannot stand in a field (it came from a client, with a line break) is left out, not sent broken.
        if let contentType { try? writer.field("Content-Type", contentType, into: &connection.output) }
        for field in commonFields { try? writer.field(field.name, field.value, into: &connection.output) }
        for field in fields { try? writer.field(field.name, field.value, into: &connection.output) }
    }

    private func finish(_ connection: HTTPConnection) {
        writer.end(into: &connection.output)
        state = .ended
        release()
        server.handler.exchangeEnded(self)
        connection.exchangeEnded(keepAlive: writer.keepAlive)
    }

    private func note(_ status: HTTPStatus) {
        self.status = status
        server.handler.exchangeAnswered(self, status)
    }

    private func release() {
        connection = nil
        piecewise = nil
        onDisconnect = nil
        onDrained = nil
        onBody = nil
        onBodyEnd = nil
    }
}

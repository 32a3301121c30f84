public import Bytes
public import HTTP
public import WebSocket

/// One request and its response. Loop-confined; released by the connection when the response is complete or the client has
/// disconnected.
public final class HTTPExchange {
    public let request: RequestHead
    /// The complete body; empty if it is streamed.
    public let received: ReceivedBody
    /// The complete body as one array. On a loop, use it only for short bodies: see ``ReceivedBody/joined``.
    public var body: [UInt8] { received.joined }
    /// Called with each piece of a streamed body (``RequestTerms/streamsBody``), valid within the call.
    public var onBody: ((UnsafeRawBufferPointer) -> Void)?
    /// Called once when a streamed body is complete.
    public var onBodyEnd: (() -> Void)?
    /// The client: the peer, or the client forwarded by a trusted proxy.
    public let client: RequestClient
    /// The credential that the handler determined: ``RequestTerms/credential``.
    public let credential: (any Sendable)?
    /// The client's address; nil for a Unix socket without forwarded address.
    public var clientAddress: IPAddress? { client.address }
    /// Fields of every answer of this exchange, such as `x-request-id` and CORS.
    public var commonFields: [(name: String, value: String)] = []
    /// Called once if the client disconnects before the response is complete. Not stored once the exchange has ended, which is when it
    /// releases what the closure captures.
    public var onDisconnect: (() -> Void)? {
        didSet { if state == .released, onDisconnect != nil { onDisconnect = nil } }
    }
    /// Whether a half-close by the client counts as a disconnect. A FIN does not show whether the client still reads: generations,
    /// which cost money, must stop; short answers are simply sent.
    public var endsWithInput = false {
        didSet { if endsWithInput { connection?.lookForInputEnd() } }
    }
    /// Called when a congested connection has sent all output.
    public var onDrained: (() -> Void)? {
        didSet { if state == .released, onDrained != nil { onDrained = nil } }
    }
    /// Loop and number of the connection, as in ``ConnectionReport/id``.
    public var connectionID: String { "\(loopIndex)-\(connectionNumber)" }
    private let loopIndex: Int
    private let connectionNumber: UInt64
    /// The kind of request, for the handler's metrics.
    public var label: UInt8 = 0
    /// Context of the handler, for its end.
    public var record: AnyObject?
    /// Whether the answer is an event stream.
    public private(set) var isEventStream = false
    /// The sent status; nil before.
    public private(set) var status: HTTPStatus?
    /// When the request was complete.
    public let began: Instant

    /// Long output that is sent in pieces; nil if there is none.
    private var piecewise: PiecewiseOutput?
    /// Bytes of the answer not yet in the connection's output.
    var waitingAnswerBytes: Int { piecewise?.heldByteCount ?? 0 }
    /// Memory of the request and its answer, in bytes.
    var heldByteCount: Int { received.count + waitingAnswerBytes }

    /// Released: the closures were let go of, and none is stored any more.
    private enum State: Comparable { case waiting, streaming, ended, released }
    private var state = State.waiting
    /// Whether the body is incomplete.
    private var isBodyAwaited: Bool
    private(set) var isBodyPaused = false
    private var writer: ResponseWriter
    /// Strong, because a weak reference costs atomics on every token. The cycle is broken when the exchange ends, which it always
    /// does.
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
    /// Whether the client uses a Unix socket, and so is not a browser.
    public var isFromUnixSocket: Bool { connection?.isUnix ?? false }
    /// Address of the connection's other end; nil for a Unix socket.
    public let peer: IPAddress?
    /// The subject of the client's certificate (RFC 4514); nil if none was requested or sent.
    public var clientCertificateSubject: String? { connection?.peerCertificateSubject }
    /// Whether the status has been sent: errors can then only be reported within the stream.
    public var hasBegun: Bool { state != .waiting }
    public var isEnded: Bool { state >= .ended }
    /// Whether the producer should wait for ``onDrained``.
    public var isCongested: Bool { piecewise != nil || connection?.isCongested ?? false }

    // MARK: A streamed body

    /// Whether received bytes are pieces of a body that is not paused.
    var takesBody: Bool { isBodyAwaited && !isBodyPaused && state < .ended }

    /// Pauses a streamed body until ``resumeBody()``, with backpressure on the client.
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

    /// Sends a complete answer.
    public func respond(
        _ status: HTTPStatus, contentType: String? = nil, fields: [(name: String, value: String)] = [], body: [UInt8] = []
    ) {
        guard state == .waiting, let connection else { return }
        beginHead(status, contentType: contentType, fields: fields, connection)
        writer.endHead(.bytes(body.count), into: &connection.output)
        if body.count >= Self.leastLongByteCount, request.method != .head, !status.forbidsBody {
            state = .streaming
            // The answer is complete. A client that has half-closed and still reads gets the rest.
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
    /// - Parameter length: if known, exactly this much must be written, so truncation is detectable.
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

    /// A HEAD request ends with its head, whatever the handler would write; the handler is notified as if the client had
    /// disconnected.
    private func respondHead(
        _ status: HTTPStatus, contentType: String, fields: [(name: String, value: String)], length: BodyLength,
        _ connection: HTTPConnection
    ) {
        let loop = connection.loop
        beginHead(status, contentType: contentType, fields: fields, connection)
        writer.endHead(length, into: &connection.output)
        state = .ended
        // Not within the handler's call, which may set the closure afterwards.
        loop.schedule(after: .zero) { [self] in
            let action = onDisconnect
            release()
            action?()
        }
        self.connection = nil
        server.handler.exchangeEnded(self)
        connection.exchangeEnded(keepAlive: writer.keepAlive)
    }

    /// Sends the bytes appended by `body` as one piece of the stream, at the end of this iteration.
    public func write(_ body: (inout ByteBuffer) -> Void) {
        guard state == .streaming, let connection else { return }
        if piecewise != nil {
            piecewise?.append(body)
            return
        }
        connection.reserveForEvent()
        let piece = writer.beginPiece(into: &connection.output)
        body(&connection.output)
        writer.endPiece(piece, into: &connection.output)
        connection.scheduleFlush()
    }

    /// A body or an event of so many bytes leaves in pieces; what is shorter is copied at once.
    public static let leastLongByteCount = PiecewiseOutput.leastByteCount

    /// Sends long data as part of the stream, one piece per iteration, each after the previous one has been sent. Later writes
    /// follow it.
    public func write(long bytes: [UInt8]) {
        guard state == .streaming, connection != nil else { return }
        guard bytes.count >= Self.leastLongByteCount, piecewise == nil else { return write { $0.append(bytes) } }
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
        if let next = piecewise?.takeLongBehind() {
            piecewise = next
            connection.hold()
            connection.scheduleFlush()
            // As below: a last piece that does not congest the connection is reported by no flush.
            if !connection.isCongested { connection.loop.schedule(after: .zero) { [self] in sendPiece() } }
            return
        }
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
        // A producer that saw the congestion waits for its end, which no flush would report.
        if !connection.isCongested { connection.loop.schedule(after: .zero) { [self] in drained() } }
    }

    /// Called when a congested connection has sent all output.
    func drained() {
        if piecewise == nil {
            onDrained?()
        } else {
            // Not within the flush, which would not end for a client that reads fast.
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

    /// Aborts the stream, so that the client can tell that it is incomplete.
    public func abort() {
        guard state < .ended, let connection else { return }
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
        guard state < .ended else { return }
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
        // The rest of the body would be read as the next request.
        if isBodyAwaited { writer.closeAfterwards() }
        writer.begin(status, date: connection.loop.httpDate, into: &connection.output)
        // An invalid value (from a client, with a line break) is omitted.
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
        state = .released
        connection = nil
        piecewise = nil
        onDisconnect = nil
        onDrained = nil
        onBody = nil
        onBodyEnd = nil
    }
}

public import Bytes
public import WebSocket

/// What a WebSocket is made on: a connection after its handshake.
public struct WebSocketTransport {
    let connection: Connection
    let role: Role
    let limits: WebSocketLimits
}

/// One end of an open WebSocket over a ``Connection``. Loop-confined. A face subclasses it and overrides the `open` methods.
///
/// The connection owns it. It keeps the peer alive and finds out when it is not: a ping after a silence, and an end when
/// nothing at all has come for two of them.
open class WebSocketConnection {
    /// Silence after which a ping is sent.
    public static let pingInterval = Duration.seconds(20)
    /// How long the close handshake may take.
    public static let closeTimeout = Duration.seconds(5)

    public let loop: EventLoop
    /// Strong, since a weak reference costs atomics on every message: the cycle is broken when the transport ends, as it always does.
    private var connection: Connection?
    private var endpoint: WebSocketEndpoint
    private var keepAlive: LoopTimer?
    private var lastReceived: Instant
    private var isEnded = false

    public init(_ transport: WebSocketTransport) {
        connection = transport.connection
        loop = transport.connection.loop
        endpoint = WebSocketEndpoint(role: transport.role, limits: transport.limits)
        lastReceived = loop.now
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

    public var isCongested: Bool { connection?.isCongested ?? false }
    public var isOpen: Bool { endpoint.state == .open && connection != nil }

    /// Sends a text message; `body` appends its UTF-8. It leaves at the end of this turn.
    public func sendText(_ body: (inout ByteBuffer) -> Void) {
        guard isOpen, let connection else { return }
        var message = ByteBuffer()
        body(&message)
        try? endpoint.send(.text, message.bytes, into: &connection.output)
        connection.scheduleFlush()
    }

    /// Sends a text message made of two pieces, without joining them first.
    public func sendText(_ payload: UnsafeRawBufferPointer, suffix: UnsafeRawBufferPointer) {
        guard isOpen, let connection else { return }
        let length = payload.count + suffix.count
        do {
            let key = try endpoint.sendHeader(.text, payloadByteCount: length, into: &connection.output)
            // Only a client masks what it sends, and only servers have shared payloads to send in pieces.
            assert(key == nil, "a client's frames are masked: join the pieces first")
        } catch {
            return
        }
        connection.output.append(payload)
        connection.output.append(suffix)
        connection.scheduleFlush()
    }

    /// Sends a message.
    public func send(_ kind: MessageKind, _ payload: UnsafeRawBufferPointer) {
        guard isOpen, let connection else { return }
        try? endpoint.send(kind, payload, into: &connection.output)
        connection.scheduleFlush()
    }

    /// Starts the close handshake.
    public func close(_ code: CloseCode, reason: String = "") {
        guard isOpen, let connection else { return }
        endpoint.close(code, reason: reason, into: &connection.output)
        connection.scheduleFlush()
        loop.schedule(after: Self.closeTimeout) { [weak self] in self?.connection?.abort() }
    }

    /// Ends the connection at once, without a handshake.
    public func abort(reset: Bool = false) { connection?.abort(reset: reset) }

    // MARK: For the connection

    func received(_ bytes: UnsafeMutableRawBufferPointer) {
        lastReceived = loop.now
        var input = bytes
        while let connection, let event = endpoint.next(&input, output: &connection.output) {
            switch event {
            case .text(let text): receivedText(text)
            case .binary(let bytes): receivedBinary(bytes)
            case .ping, .pong: break
            case .closed(let closed): end(closed)
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
        self.closed(closed)
    }

    private func scheduleKeepAlive() {
        keepAlive = loop.schedule(after: Self.pingInterval) { [weak self] in self?.checkAlive() }
    }

    private func checkAlive() {
        guard !isEnded, let connection else { return }
        let silence = loop.now - lastReceived
        if silence >= Self.pingInterval * 2 {
            connection.abort()
            return
        }
        if silence >= Self.pingInterval / 2 {
            try? endpoint.ping(UnsafeRawBufferPointer(start: nil, count: 0), into: &connection.output)
            connection.scheduleFlush()
        }
        scheduleKeepAlive()
    }
}

import Bytes
import Glibc
public import HTTP
public import WebSocket

/// Why a WebSocket could not be opened.
public enum WebSocketClientError: Error, Sendable, CustomStringConvertible {
    /// The connection failed with this errno.
    case notConnected(errno: Int32)
    /// The TLS handshake failed.
    case insecure(TLSError)
    /// The server refused, with the body of its answer (at most ``WebSocketClient/maxRefusalBytes``).
    case refused(status: Int, body: [UInt8])
    /// The server speaks HTTP, but not WebSocket.
    case handshake(HandshakeFailure)
    /// The server does not speak HTTP.
    case notHTTP(MessageError)
    /// The connection ended during the handshake.
    case closed
    /// The server did not answer in time.
    case timeout

    public var description: String {
        switch self {
        case .notConnected(let code): String(cString: strerror(code))
        case .insecure(let error): "\(error)"
        case .refused(let status, _): "the server answered with status \(status)"
        case .handshake(let failure): "the server does not speak WebSocket there (\(failure))"
        case .notHTTP(let error): "the server does not speak HTTP there (\(error))"
        case .closed: "the server closed the connection"
        case .timeout: "the server did not answer in time"
        }
    }
}

/// The client's end of a connection that opens a WebSocket, RFC 6455 §4.1. Loop-confined.
///
/// Calls either `opened` or `failed`, once. The ``WebSocketConnection`` returned by `opened` takes over the connection.
public final class WebSocketClient: Connection {
    /// Deadline of connecting and handshake together.
    public static let openTimeout = Duration.seconds(10)
    /// Most bytes of a refusal's body to retain.
    public static let maxRefusalBytes = 64 << 10

    private enum State {
        case opening
        case refused(status: Int, body: [UInt8])
        case open(WebSocketConnection)
        case over
    }

    private let handshake: ClientHandshake
    private let target: String
    private let host: String
    private let fields: [(name: String, value: String)]
    private let limits: WebSocketLimits
    private let opened: (WebSocketTransport) -> WebSocketConnection
    private let failed: (WebSocketClientError) -> Void
    private var parser = ResponseParser()
    private var state = State.opening
    private var deadline: LoopTimer?

    /// Starts to connect. Resolves the address, which may block: pass a numeric one, or use a dedicated loop.
    ///
    /// - Parameters:
    ///   - target: path and query.
    ///   - host: the Host field's value.
    ///   - fields: further, trusted header fields.
    ///   - deflate: compression to offer; nil for none.
    ///   - layer: TLS, for `wss`.
    ///   - opened: creates the connection's owner.
    /// - Throws: ``SystemCallError`` if the address does not exist.
    @discardableResult
    public static func connect(
        to address: SocketAddress, target: String, host: String, fields: [(name: String, value: String)] = [],
        limits: WebSocketLimits = WebSocketLimits(), deflate: DeflateOptions? = nil, layer: SocketLayer? = nil, on loop: EventLoop,
        opened: @escaping (WebSocketTransport) -> WebSocketConnection, failed: @escaping (WebSocketClientError) -> Void
    ) throws(SystemCallError) -> WebSocketClient {
        try start(
            over: try connectingSocket(to: address), target: target, host: host, fields: fields, limits: limits, deflate: deflate,
            layer: layer, on: loop, opened: opened, failed: failed)
    }

    /// As ``connect(to:target:host:fields:limits:deflate:layer:on:opened:failed:)`` over a connected or connecting socket.
    @discardableResult
    package static func start(
        over descriptor: Int32, target: String, host: String, fields: [(name: String, value: String)] = [],
        limits: WebSocketLimits = WebSocketLimits(), deflate: DeflateOptions? = nil, layer: SocketLayer? = nil, on loop: EventLoop,
        opened: @escaping (WebSocketTransport) -> WebSocketConnection, failed: @escaping (WebSocketClientError) -> Void
    ) throws(SystemCallError) -> WebSocketClient {
        let client = WebSocketClient(
            loop: loop, descriptor: descriptor, target: target, host: host, fields: fields, limits: limits, deflate: deflate,
            layer: layer, opened: opened, failed: failed)
        try client.start()
        return client
    }

    private init(
        loop: EventLoop, descriptor: Int32, target: String, host: String, fields: [(name: String, value: String)],
        limits: WebSocketLimits, deflate: DeflateOptions?, layer: SocketLayer?,
        opened: @escaping (WebSocketTransport) -> WebSocketConnection, failed: @escaping (WebSocketClientError) -> Void
    ) {
        handshake = ClientHandshake(deflate: deflate)
        self.target = target
        self.host = host
        self.fields = fields
        self.limits = limits
        self.opened = opened
        self.failed = failed
        super.init(loop: loop, descriptor: descriptor, isConnecting: true, layer: layer)
        deadline = loop.schedule(after: Self.openTimeout) { [weak self] in self?.fail(.timeout) }
    }

    public override func connected() {
        handshake.appendRequest(target: target, host: host, additionalFields: fields, into: &output)
        scheduleFlush()
    }

    public override func received(_ bytes: UnsafeMutableRawBufferPointer) {
        var input = UnsafeRawBufferPointer(bytes)
        do throws(MessageError) {
            while isAnswering {
                switch try parser.next(&input) {
                case .needsMoreBytes: return
                case .head(let head): judge(head)
                case .body(let part): keep(part)
                case .end: refusalEnded()
                }
            }
        } catch {
            fail(.notHTTP(error))
            return
        }
        if case .open(let webSocket) = state, !input.isEmpty {
            webSocket.received(UnsafeMutableRawBufferPointer(rebasing: bytes[(bytes.count - input.count)...]))
        }
    }

    private var isAnswering: Bool {
        switch state {
        case .opening, .refused: true
        case .open, .over: false
        }
    }

    private func judge(_ head: ResponseHead) {
        let response = HandshakeResponse(
            status: head.status.code, httpMinorVersion: head.minorVersion, fields: head.fields.map { ($0.name, $0.value) })
        let outcome: HandshakeOutcome
        do {
            outcome = try handshake.validate(response)
        } catch .status(let status) {
            state = .refused(status: status, body: [])
            return
        } catch {
            fail(.handshake(error))
            return
        }
        deadline?.cancel()
        let webSocket = opened(
            WebSocketTransport(connection: self, role: .client, limits: limits, extensions: outcome.extensions))
        state = .open(webSocket)
        webSocket.resumeReading()
    }

    private func keep(_ part: UnsafeRawBufferPointer) {
        guard case .refused(let status, var body) = state else { return }
        body.append(contentsOf: part.prefix(Self.maxRefusalBytes - body.count))
        state = .refused(status: status, body: body)
    }

    private func refusalEnded() {
        guard case .refused(let status, let body) = state else { return }
        fail(.refused(status: status, body: body))
    }

    private func fail(_ error: WebSocketClientError) {
        switch state {
        case .open, .over: return
        case .opening, .refused: break
        }
        state = .over
        deadline?.cancel()
        abort()
        failed(error)
    }

    public override func inputClosed() {
        switch state {
        case .refused: refusalEnded()
        case .opening: fail(.closed)
        case .open, .over: finish()
        }
    }

    public override func ended(_ end: End) {
        deadline?.cancel()
        switch end {
        case .failed(let code): fail(.notConnected(errno: code))
        case .insecure(let error): fail(.insecure(error))
        case .closed, .lingerTimeout: fail(.closed)
        }
    }
}

public import Bytes
import Glibc
public import HTTP
import Logging

/// Answers the requests of an HTTP server. Called on the loop of the request's connection.
public protocol HTTPRequestHandler: AnyObject, Sendable {
    /// A request, whole unless its body is streamed. The handler answers at once or later, by the exchange.
    func handle(_ exchange: HTTPExchange)
    /// How this request is to be taken; called when its head is complete, before anything of the body is kept.
    /// - Returns: nil if the handler has to find out first: ``findTerms(for:on:_:)`` is called then, and nothing more is read.
    func terms(for request: RequestHead) -> RequestTerms?
    /// Finds out what ``terms(for:)`` could not say at once.
    /// - Parameter then: to be called once, on the loop, not within this call, and within a bounded time: the connection has no
    ///   deadline of its own meanwhile. A client that has gone away by then does no harm.
    func findTerms(for request: RequestHead, on loop: EventLoop, _ then: @escaping (RequestTerms) -> Void)
    /// The answer to a request that broke the protocol, or did not come to its end in time.
    func errorAnswer(for status: HTTPStatus, _ message: String) -> HTTPErrorAnswer
    /// Whether bodies and messages in the making may grow. Asked when one of more than 16 KiB begins or has grown by as much; if
    /// not, a request is answered with ``noRoomAnswer``, and a WebSocket closed with 1013.
    func hasRoom(on loop: EventLoop) -> Bool
    /// The answer to a request, with status 503, for whose body there is no room.
    var noRoomAnswer: HTTPErrorAnswer { get }
    /// Fields that an answer of the connection's own must have for the page that sent the request (CORS).
    /// - Parameters:
    ///   - origin: the request's Origin field, if it was read.
    ///   - isHeadWhole: whether there is none when it was not read.
    func pageFields(origin: String?, isHeadWhole: Bool) -> [(name: String, value: String)]
    /// A request that broke the protocol, or did not come to its end in time, is answered by the connection itself.
    func requestRefused(_ request: RefusedRequest, on loop: EventLoop)
    /// The status of an exchange is decided and sent; 101 for a WebSocket.
    func exchangeAnswered(_ exchange: HTTPExchange, _ status: HTTPStatus)
    /// The exchange is over: answered whole, become a WebSocket, or its client gone.
    func exchangeEnded(_ exchange: HTTPExchange)
}

extension HTTPRequestHandler {
    /// For handlers whose ``terms(for:)`` is never nil.
    public func findTerms(for request: RequestHead, on loop: EventLoop, _ then: @escaping (RequestTerms) -> Void) {
        loop.schedule(after: .zero) { then(RequestTerms(maxBodyBytes: 0)) }
    }
    public func hasRoom(on loop: EventLoop) -> Bool { true }
    public var noRoomAnswer: HTTPErrorAnswer { errorAnswer(for: .serviceUnavailable, "There is no room for the request now.") }
    public func pageFields(origin: String?, isHeadWhole: Bool) -> [(name: String, value: String)] { [] }
    public func requestRefused(_ request: RefusedRequest, on loop: EventLoop) {}
    public func exchangeAnswered(_ exchange: HTTPExchange, _ status: HTTPStatus) {}
    public func exchangeEnded(_ exchange: HTTPExchange) {}
}

/// The content of an answer whose status says what went wrong.
public struct HTTPErrorAnswer: Sendable {
    public var fields: [(name: String, value: String)]
    public var body: [UInt8]

    public init(fields: [(name: String, value: String)], body: [UInt8]) {
        self.fields = fields
        self.body = body
    }
}

/// A request that no handler saw, as far as it was read.
public struct RefusedRequest: Sendable {
    /// What it was answered with.
    public let status: HTTPStatus
    /// nil: the request line was not read, or is none.
    public let method: HTTPMethod?
    public let path: String?
    /// Who connected, to us or to a proxy that says so; nil for a Unix socket.
    public let peer: IPAddress?
    /// Loop and number of the connection, as in ``ConnectionReport/id``.
    public let connectionID: String
    /// Those of ``HTTPRequestHandler/errorAnswer(for:_:)``.
    public let answerFields: [(name: String, value: String)]
}

/// What the connections of a server have in common.
public final class HTTPServer: Sendable {
    /// Bounds of one request.
    public let limits: MessageLimits
    let deadlines: Deadlines
    let proxies: ProxyRules
    let handler: any HTTPRequestHandler
    /// Which connections are taken.
    public let gate: AcceptGate

    /// How long a connection may take.
    public struct Deadlines: Sendable {
        /// For a request's head, from its first byte.
        public var head = Duration.seconds(10)
        /// For a request's body, from the end of its head. A body that is streamed gets more as it comes, so that a large one
        /// may take its time and a slow one cannot: a second for each ``minBytesPerSecond``.
        public var body = Duration.seconds(60)
        /// Slowest pace of a body that is streamed.
        public var minBytesPerSecond = 16 << 10
        /// Between requests.
        public var idle = Duration.seconds(75)
        /// How long the client may take nothing of an answer that waits for it, be it a stream of events.
        public var stall = Duration.seconds(60)

        public init() {}

        func time(forBytes count: Int) -> Duration {
            Duration(saturatingSeconds: Double(count) / Double(max(1, minBytesPerSecond)))
        }
    }

    /// What is believed about those who stand in front of the server.
    public struct ProxyRules: Sendable {
        /// Whose word about their clients counts: `Forwarded`, `X-Forwarded-For`, `X-Forwarded-Proto`, and PROXY headers.
        public var trusted = TrustedProxies()
        /// Whether each connection must begin with a PROXY header, and come from a trusted address.
        public var requiresProxyHeader = false

        public init() {}
    }

    public init(
        limits: MessageLimits = MessageLimits(), deadlines: Deadlines = Deadlines(), proxies: ProxyRules = ProxyRules(),
        gate: AcceptGate = AcceptGate(),
        handler: any HTTPRequestHandler
    ) {
        self.limits = limits
        self.gate = gate
        self.deadlines = deadlines
        self.proxies = proxies
        self.handler = handler
    }

    /// Listens on an address in all loops of a group.
    /// - Parameter tls: speaks TLS there.
    public func listen(
        on address: SocketAddress, tls: TLSServerContext? = nil, group: EventLoopGroup
    ) async throws -> ListenerSet {
        try await listen(on: address, group: group) { tls?.layer() }
    }

    /// - Parameters:
    ///   - access: who may connect by a Unix socket.
    ///   - layer: makes what each connection's bytes go through.
    package func listen(
        on address: SocketAddress, access: UnixSocketAccess = UnixSocketAccess(), group: EventLoopGroup,
        layer: @escaping @Sendable () -> SocketLayer?
    ) async throws -> ListenerSet {
        let isUnix = if case .unix = address { true } else { false }
        let refuse = { @Sendable [self] (loop: EventLoop, descriptor: Int32) in
            RefusedConnection.answerAtOnce(descriptor, on: loop, by: self, inTLS: layer()?.needsHandshake == true)
        }
        return try await ListenerSet(address, access: access, group: group, refuse: refuse) { [self] loop, descriptor, peer in
            if proxies.requiresProxyHeader {
                readProxyHeader(loop, descriptor, peer: peer, isUnix: isUnix, layer: layer())
            } else {
                serve(descriptor, on: loop, peer: peer, isUnix: isUnix, layer: layer())
            }
        }
    }

    private func readProxyHeader(
        _ loop: EventLoop, _ descriptor: Int32, peer: IPAddress?, isUnix: Bool, layer: SocketLayer?
    ) {
        guard proxies.trusted.trusts(peer) else {
            loop.logger.debug("a connection from somebody who is no trusted proxy", metadata: ["peer": "\(peer, default: "unix")"])
            close(descriptor)
            return
        }
        let reader = ProxyHeaderReader(loop: loop, descriptor: descriptor, timeout: deadlines.head) { [self] descriptor, header in
            // TLS begins behind the header (PROXY protocol §2).
            serve(descriptor, on: loop, peer: header.route?.source ?? peer, isUnix: isUnix, layer: layer)
        }
        start(reader.start, on: loop)
    }

    /// - Parameter peer: who connected, to us or to a proxy that says so; nil for a Unix socket.
    ///   Loop only; the descriptor, connected and nonblocking, belongs to the connection from now on.
    package func serve(
        _ descriptor: Int32, on loop: EventLoop, peer: IPAddress? = nil, isUnix: Bool = false, layer: SocketLayer? = nil
    ) {
        if let refusal = gate.admit(peer, descriptor: descriptor, now: loop.now) {
            RefusedConnection.refuse(descriptor, on: loop, for: refusal, by: self, inTLS: layer?.needsHandshake == true)
            return
        }
        let connection = HTTPConnection(loop: loop, descriptor: descriptor, server: self, peer: peer, isUnix: isUnix, layer: layer)
        guard start(connection.start, on: loop) else {
            gate.release(peer)
            return
        }
        loop.counters.pointee.connections += 1
        connection.watchDeadline()
    }

    @discardableResult
    private func start(_ start: () throws(SystemCallError) -> Void, on loop: EventLoop) -> Bool {
        do throws(SystemCallError) {
            try start()
            return true
        } catch {
            loop.logger.warning("a connection could not be registered", metadata: ["error": "\(error)"])
            return false
        }
    }
}

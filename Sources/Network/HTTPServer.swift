public import Bytes
import Glibc
public import HTTP
import Logging

/// Answers the requests of an HTTP server. Called on the loop of the request's connection.
public protocol HTTPRequestHandler: AnyObject, Sendable {
    /// Handles a request, which is complete unless its body is streamed. The answer may be given at once or later.
    func handle(_ exchange: HTTPExchange)
    /// The terms for a request; called when its head is complete, before any of the body is stored.
    /// - Returns: nil if the terms are not known yet: ``findTerms(for:on:_:)`` is then called, and reading pauses.
    func terms(for request: RequestHead) -> RequestTerms?
    /// Determines the terms asynchronously, if ``terms(for:)`` returned nil.
    /// - Parameter then: call it exactly once, on the loop, after this call has returned, and within a bounded time, because the
    ///   connection has no deadline meanwhile. The client may have disconnected by then.
    func findTerms(for request: RequestHead, on loop: EventLoop, _ then: @escaping (RequestTerms) -> Void)
    /// The answer to an invalid request, or one that timed out.
    func errorAnswer(for status: HTTPStatus, _ message: String) -> HTTPErrorAnswer
    /// Whether partially received bodies and messages may grow. Called when one exceeds 16 KiB, and each time it has grown by as
    /// much. If false, a request is answered with ``noRoomAnswer``, and a WebSocket is closed with 1013.
    func hasRoom(on loop: EventLoop) -> Bool
    /// The 503 answer to a request whose body exceeds the memory budget.
    var noRoomAnswer: HTTPErrorAnswer { get }
    /// CORS fields of answers given by the connection itself.
    /// - Parameters:
    ///   - origin: the request's Origin field, if it was read.
    ///   - isHeadWhole: whether a nil origin means that there is none.
    func pageFields(origin: String?, isHeadWhole: Bool) -> [(name: String, value: String)]
    /// Called when the connection itself answers an invalid request, or one that timed out.
    func requestRefused(_ request: RefusedRequest, on loop: EventLoop)
    /// Called when the status of an exchange is sent; 101 for a WebSocket.
    func exchangeAnswered(_ exchange: HTTPExchange, _ status: HTTPStatus)
    /// Called when an exchange has ended: answered, upgraded, or its client disconnected.
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

/// The content of an error answer.
public struct HTTPErrorAnswer: Sendable {
    public var fields: [(name: String, value: String)]
    public var body: [UInt8]

    public init(fields: [(name: String, value: String)], body: [UInt8]) {
        self.fields = fields
        self.body = body
    }
}

/// A request refused before it reached a handler, as far as it was read.
public struct RefusedRequest: Sendable {
    /// The status of the answer.
    public let status: HTTPStatus
    /// nil if the request line was not read or is invalid.
    public let method: HTTPMethod?
    public let path: String?
    /// Address of the client, possibly from a PROXY header; nil for a Unix socket.
    public let peer: IPAddress?
    /// Loop and number of the connection, as in ``ConnectionReport/id``.
    public let connectionID: String
    /// The fields of ``HTTPRequestHandler/errorAnswer(for:_:)``.
    public let answerFields: [(name: String, value: String)]
}

/// An HTTP server: what its connections share.
public final class HTTPServer: Sendable {
    /// Limits of one request.
    public let limits: MessageLimits
    let deadlines: Deadlines
    let proxies: ProxyRules
    let handler: any HTTPRequestHandler
    /// Which connections are accepted.
    public let gate: AcceptGate

    /// Deadlines of a connection.
    public struct Deadlines: Sendable {
        /// For a request's head, from its first byte.
        public var head = Duration.seconds(10)
        /// For a request's body, from the end of its head. A streamed body gets one more second per ``minBytesPerSecond``, so that
        /// large bodies may take long, but slow ones may not.
        public var body = Duration.seconds(60)
        /// Least rate of a streamed body, in bytes per second.
        public var minBytesPerSecond = 16 << 10
        /// Between requests.
        public var idle = Duration.seconds(75)
        /// How long a client may read nothing of its buffered answer, event streams included.
        public var stall = Duration.seconds(60)

        public init() {}

        func time(forBytes count: Int) -> Duration {
            Duration(saturatingSeconds: Double(count) / Double(max(1, minBytesPerSecond)))
        }
    }

    /// Which proxies in front of the server are trusted.
    public struct ProxyRules: Sendable {
        /// Peers whose `Forwarded`, `X-Forwarded-For`, `X-Forwarded-Proto` and PROXY headers are accepted.
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
    /// - Parameter tls: nil for plain connections.
    public func listen(
        on address: SocketAddress, tls: TLSServerContext? = nil, group: EventLoopGroup
    ) async throws -> ListenerSet {
        try await listen(on: address, group: group) { tls?.layer() }
    }

    /// - Parameters:
    ///   - access: mode and owner of a Unix socket.
    ///   - layer: creates the layer of each connection.
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
            // TLS begins after the header (PROXY protocol §2).
            serve(descriptor, on: loop, peer: header.route?.source ?? peer, isUnix: isUnix, layer: layer)
        }
        start(reader.start, on: loop)
    }

    /// - Parameter peer: the client, possibly from a PROXY header; nil for a Unix socket. Loop only. Takes ownership of the
    ///   connected, nonblocking descriptor.
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

public import Access
public import HTTP
public import Jobs
public import Network
import Runners
public import Sessions
public import Storage
public import Upstreams
public import WebSocket

/// Everything that an operator can set. Read in one place, by the command line.
public struct ServerConfiguration: Sendable {
    /// Addresses to listen on: TCP, Unix, or both.
    public var addresses: [SocketAddress] = [.tcp(host: "127.0.0.1", port: 8080)]
    /// Who may connect by the Unix socket among ``addresses``.
    public var unixSocketAccess = UnixSocketAccess()
    /// TCP addresses to listen on with TLS; they need ``tls``.
    public var tlsAddresses: [SocketAddress] = []
    public var tls: TLSSettings?
    /// Number of event loops; nil for one per processor.
    public var loops: Int?
    /// If there are none, the built-in rehearsal model answers.
    public var upstreams: [UpstreamConfiguration] = []
    /// How requests are spread over ``upstreams``.
    public var routing = RoutingOptions()
    /// Where the rehearsal model's endpoint listens (port 0: any). It runs only if there is no upstream.
    public var rehearsalAddress = SocketAddress.tcp(host: "127.0.0.1", port: 0)
    /// Like ``Upstreams/UpstreamConfiguration/silenceTimeout``, for the rehearsal model.
    public var rehearsalSilenceTimeout = Duration.seconds(60)
    /// Who may call, and how much.
    public var access = AccessSettings()
    /// How long a client's `Idempotency-Key` is remembered.
    public var idempotencyRetention = Duration.seconds(86_400)
    /// Origins of the web pages that may call (`*`: any). nil: any if there are keys, otherwise those served from this machine.
    public var allowedOrigins: [String]?
    /// Whether each request has a line in the log, at `info`, whatever the log's level.
    public var keepsAccessLog = false
    /// Silence on a stream after which a heartbeat is sent.
    public var heartbeat = Duration.seconds(15)
    /// Where everything is stored; nil: in memory only, until the process ends.
    public var dataDirectory: String?
    /// What a commit survives.
    public var durability = Store.Durability.full
    /// How long a session is stored after its last response or input.
    public var retention = Duration.seconds(168 * 3600)
    /// Maximum size of the database in bytes; above it, the least recently used sessions are deleted.
    public var maxDataBytes = 16 << 30
    /// How long an unused session stays in memory if it is stored.
    public var residency = Duration.seconds(300)
    /// Bytes of each session's newest events that stay in memory if all of them are stored.
    public var residentLogBytes: Int { dataDirectory == nil ? sessionLimits.maxLogBytes : min(sessionLimits.maxLogBytes, 2 << 20) }
    /// Maximum size of all logs in memory together, in bytes; the oldest idle sessions leave it first.
    public var maxLogMemoryBytes = 512 << 20
    public var sessionLimits = SessionLimits()
    public var httpLimits = MessageLimits()
    public var httpDeadlines = HTTPServer.Deadlines()
    public var proxies = HTTPServer.ProxyRules()
    /// Maximum size of a WebSocket message from a client, in bytes.
    public var maxMessageBytes = 16 << 20
    /// How WebSocket messages are compressed where the client offers it; nil for never.
    public var deflate: DeflateOptions? = DeflateOptions()
    /// How long running generations may continue after the server was asked to stop.
    public var drainTimeout = Duration.seconds(10)
    /// How long the server reports that it is not ready before it stops accepting connections, so that a load balancer notices.
    public var drainDelay = Duration.zero
    /// Period over which the closes of WebSockets and the retry delays of EventSource clients are spread when the server stops, so
    /// that they do not all reconnect elsewhere at once.
    public var drainWindow = Duration.seconds(2)
    /// Limits on accepted connections. A total of 0 stands for four fifths of the file descriptors that the process may have.
    public var acceptLimits = AcceptGate.Limits()
    /// Maximum size of session logs and of output that waits for clients, together, in bytes; above it, new work is refused.
    public var memoryBudgetBytes = 1 << 30
    /// Pings, idleness and age of WebSockets.
    public var webSocketLiveness = WebSocketLiveness()
    /// Limits on the size of files.
    public var fileLimits = FileLimits()
    /// Limits on batches, and on their share of the server.
    public var batchLimits = BatchLimits()

    /// Endpoints that are told of the end of responses and batches.
    public var webhooks = WebhookSettings()
    /// How the rehearsal model is told who is speaking and that it was cut off; each of ``upstreams`` has its own wording.
    public var wording = ConversationWording()
    /// Whether a request with a tool that no upstream has is refused; otherwise the tool is left out, and the response says so.
    public var rejectsUnknownTools = false
    /// The model that runners answer for, along with all models whose names begin with it and a `/`; nil if there are no runners.
    public var runnerModel: String? = "external"
    /// How long a response waits for a runner.
    public var runnerWait = Duration.seconds(60)
    /// How long a runner may stay silent about a response that it answers.
    public var runnerLease = Duration.seconds(60)

    /// For tests: a layer below each accepted connection of ``addresses``.
    package var connectionLayer: @Sendable () -> SocketLayer? = { nil }

    public init() {}

    /// Whether only this machine can reach the server.
    public var isLoopbackOnly: Bool {
        (addresses + tlsAddresses).allSatisfy {
            switch $0 {
            case .unix: true
            case .tcp(let host, _): host == "localhost" || host == "::1" || host.hasPrefix("127.")
            }
        }
    }
}

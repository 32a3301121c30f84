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
    /// Event loops; as many as there are processors when nil.
    public var loops: Int?
    /// The built-in rehearsal model answers when there is none.
    public var upstreams: [UpstreamConfiguration] = []
    /// How requests are spread over ``upstreams``.
    public var routing = RoutingOptions()
    /// Where the rehearsal model's endpoint listens (port 0: any). It runs only when there is no upstream.
    public var rehearsalAddress = SocketAddress.tcp(host: "127.0.0.1", port: 0)
    /// As ``Upstreams/UpstreamConfiguration/silenceTimeout``, for the rehearsal model.
    public var rehearsalSilenceTimeout = Duration.seconds(60)
    /// Who may call, and how much.
    public var access = AccessSettings()
    /// How long the client's name for a command (`Idempotency-Key`) is remembered.
    public var idempotencyRetention = Duration.seconds(86_400)
    /// Web pages that may call, by origin (`*`: any). Unset: any when there are keys, else those served from this machine.
    public var allowedOrigins: [String]?
    /// Whether each request has a line in the log, at `info`, whatever the log's level.
    public var keepsAccessLog = false
    /// Silence on a stream after which a heartbeat is sent.
    public var heartbeat = Duration.seconds(15)
    /// Where everything is kept; nil: in memory alone, until the process ends.
    public var dataDirectory: String?
    /// What a commit outlives.
    public var durability = Store.Durability.full
    /// How long a session is kept after its last response or input.
    public var retention = Duration.seconds(168 * 3600)
    /// Bytes that the database may use; above that the sessions that were not used for longest are deleted.
    public var maxDataBytes = 16 << 30
    /// How long a session that nobody uses stays in memory, when the store has it.
    public var residency = Duration.seconds(300)
    /// Bytes of the newest events of each session that stay in memory, when the store has them all.
    public var residentLogBytes: Int { dataDirectory == nil ? sessionLimits.maxLogBytes : min(sessionLimits.maxLogBytes, 2 << 20) }
    /// Bytes of all logs together; the oldest idle sessions go first.
    public var maxLogMemoryBytes = 512 << 20
    public var sessionLimits = SessionLimits()
    public var httpLimits = MessageLimits()
    public var httpDeadlines = HTTPServer.Deadlines()
    public var proxies = HTTPServer.ProxyRules()
    /// Bytes of one WebSocket message from a client.
    public var maxMessageBytes = 16 << 20
    /// How WebSocket messages are compressed where the client offers it; nil for never.
    public var deflate: DeflateOptions? = DeflateOptions()
    /// How long running generations may go on after the server was asked to stop.
    public var drainTimeout = Duration.seconds(10)
    /// How long the server says that it is not ready before it takes no more connections, so that a balancer sees it.
    public var drainDelay = Duration.zero
    /// Over how long the closes of WebSockets and the waits of EventSource clients are spread when the server stops, so that not
    /// all of them come back at once elsewhere.
    public var drainWindow = Duration.seconds(2)
    /// Which connections are taken. A total of 0 stands for four fifths of the descriptors that the process may have.
    public var acceptLimits = AcceptGate.Limits()
    /// Bytes of session logs and of output that waits for clients, together; above it new work is refused.
    public var memoryBudgetBytes = 1 << 30
    /// Pings, idleness and age of WebSockets.
    public var webSocketLiveness = WebSocketLiveness()
    /// How much of files there may be.
    public var fileLimits = FileLimits()
    /// What batches may ask for, and how much of the server they get.
    public var batchLimits = BatchLimits()

    /// Who is told of what has ended.
    public var webhooks = WebhookSettings()
    /// How the rehearsal model is told who speaks and that it was cut; each of ``upstreams`` has its own.
    public var wording = ConversationWording()
    /// Whether a request with a tool that no upstream has is refused; else the tool is left out, and the response says so.
    public var rejectsUnknownTools = false
    /// The model that runners answer for, with all whose names begin with it and a `/`; nil: none.
    public var runnerModel: String? = "external"
    /// How long a response waits for a runner.
    public var runnerWait = Duration.seconds(60)
    /// How long a runner may say nothing about a response that it answers.
    public var runnerLease = Duration.seconds(60)

    /// For tests: what each accepted connection of ``addresses`` goes through.
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

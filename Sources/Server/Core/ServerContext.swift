import Jobs
import Network
import Sessions
import Upstreams

/// What the faces share. One for a server.
final class ServerContext: Sendable {
    let configuration: ServerConfiguration
    let directory: SessionDirectory
    let authentication: Authentication
    let crossOrigin: CrossOrigin
    let budget: MemoryBudget
    let gate: AcceptGate
    let webSocketLiveness: WebSocketLiveness.Shared
    let operatorAccess: OperatorAccess
    let lifecycle = Lifecycle()
    let modelNames: ModelNames
    let webhooks: Webhooks
    /// nil: no TLS.
    let tls: TLSServerContext?
    private let sessionLoops: [LoopBound<SessionLoop>]
    private let upstreamCounters: [LoopBound<UpstreamCounters>]

    init(
        configuration: ServerConfiguration, directory: SessionDirectory, budget: MemoryBudget, modelNames: ModelNames,
        sessionLoops: [LoopBound<SessionLoop>], upstreamCounters: [LoopBound<UpstreamCounters>], tls: TLSServerContext?,
        webhooks: Webhooks
    ) {
        self.webhooks = webhooks
        self.tls = tls
        self.configuration = configuration
        self.directory = directory
        self.budget = budget
        self.upstreamCounters = upstreamCounters
        webSocketLiveness = WebSocketLiveness.Shared(configuration.webSocketLiveness)
        operatorAccess = OperatorAccess(configuration)
        var limits = configuration.acceptLimits
        // The rest is for upstreams: each running answer needs a descriptor too.
        if limits.total == 0 { limits.total = max(64, ProcessStatistics.descriptorLimit / 5 * 4) }
        gate = AcceptGate(limits)
        self.modelNames = modelNames
        self.sessionLoops = sessionLoops
        authentication = Authentication(configuration.principals)
        crossOrigin = CrossOrigin(
            allowed: configuration.allowedOrigins, keysAreRequired: !configuration.principals.isEmpty,
            isLoopbackOnly: configuration.isLoopbackOnly)
    }

    /// The sessions that live on a loop. Call on that loop.
    func sessions(on loop: EventLoop) -> SessionLoop { sessionLoops[loop.index].value }

    /// Begins to let connections go, on every loop.
    func drain(window: Duration) async {
        for bound in sessionLoops { await bound.call { $0.drain(window: window) } }
    }

    /// Whether nothing runs any more, and nobody is owed a byte.
    func isDrained() async -> Bool {
        for bound in sessionLoops { if await !bound.call({ $0.isDrained }) { return false } }
        return true
    }

    /// What all loops have counted.
    func metricsPage() async -> MetricsPage {
        var loops: [LoopSnapshot] = []
        for (sessions, upstreams) in zip(sessionLoops, upstreamCounters) {
            loops.append(await sessions.call { LoopSnapshot($0, upstreams.value) })
        }
        let webhooks = await webhooks.statistics()
        return MetricsPage(
            loops: loops, refusals: gate.refusals, heldBytes: budget.heldBytes, budgetBytes: budget.limitBytes,
            isReady: lifecycle.stage == .serving, tls: tls, webhooks: webhooks)
    }

    func connectionReports(limit: Int) async -> [ConnectionReport] {
        var reports: [ConnectionReport] = []
        for bound in sessionLoops { reports += await bound.call { $0.loop.connectionReports(limit: limit) } }
        return reports
    }

    /// Ends everything that runs and closes the WebSockets, on every loop.
    func endAll() async {
        for bound in sessionLoops { await bound.call { $0.endAll() } }
    }
}

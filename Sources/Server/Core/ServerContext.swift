import Hosting
import Jobs
import Network
import Sessions
import Storage
import Upstreams

/// What the faces share. One for a server.
final class ServerContext: Sendable {
    let configuration: ServerConfiguration
    let routes: RouteTable
    let residency: Residency<Session>
    let authentication: Authentication
    /// Tickets for streams of pages.
    let tickets = StreamTickets()
    /// Limits of keys, and what is counted.
    let metering: Metering
    /// nil: none is kept.
    let accessLog: AccessLog?
    let usage: UsageLedger
    let idempotency: IdempotencyKeys
    let crossOrigin: CrossOrigin
    let budget: MemoryBudget
    let gate: AcceptGate
    let webSocketLiveness: WebSocketLiveness.Shared
    let operatorAccess: OperatorAccess
    let lifecycle = Lifecycle()
    let modelNames: ModelNames
    let router: UpstreamRouter
    let webhooks: Webhooks
    /// Where runners get their work.
    let runners: RunnerBoard
    var runnerOptions: RunnerOptions { configuration.runnerOptions }
    /// nil: no TLS.
    let tls: TLSServerContext?
    /// nil: nothing outlives the process.
    let store: Store?
    /// Files and batches; nil where nothing is kept.
    let jobs = JobServices.Slot()
    let sessionLoops: [LoopBound<SessionLoop>]
    private let registries: [LoopBound<OpenRegistry>]
    private let upstreamCounters: [LoopBound<UpstreamCounters>]

    init(
        configuration: ServerConfiguration, routes: RouteTable, residency: Residency<Session>, budget: MemoryBudget,
        modelNames: ModelNames, authentication: Authentication, metering: Metering, accessLog: AccessLog?, usage: UsageLedger,
        idempotency: IdempotencyKeys,
        store: Store?,
        sessionLoops: [LoopBound<SessionLoop>], upstreamCounters: [LoopBound<UpstreamCounters>], router: UpstreamRouter,
        runners: RunnerBoard, tls: TLSServerContext?, webhooks: Webhooks
    ) {
        self.webhooks = webhooks
        self.runners = runners
        self.router = router
        self.tls = tls
        self.store = store
        self.configuration = configuration
        self.routes = routes
        self.residency = residency
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
        self.authentication = authentication
        registries = sessionLoops.map {
            LoopBound(transferring: OpenRegistry(loop: $0.loop, authentication: authentication), to: $0.loop)
        }
        self.metering = metering
        self.accessLog = accessLog
        self.usage = usage
        self.idempotency = idempotency
        crossOrigin = CrossOrigin(
            allowed: configuration.allowedOrigins, keysAreRequired: authentication.isRequired,
            isLoopbackOnly: configuration.isLoopbackOnly)
    }

    /// Whether commits wait for the disk, which may not have said why.
    var isStorageLate: Bool { store?.isLate ?? false }
    /// Why no new work can be taken, when what is acknowledged could not be committed.
    var storageFailure: APIError? { store?.failure.map { APIError($0) } }

    /// Where sessions live.
    var loops: [EventLoop] { sessionLoops.map(\.loop) }

    /// The sessions that live on a loop. Call on that loop.
    func sessions(on loop: EventLoop) -> SessionLoop { sessionLoops[loop.index].value }

    /// Where a session is made that is asked for on a loop. Call on that loop, which is the one that the policy chooses: the
    /// session exists when the call returns.
    func sessions(placedFrom loop: EventLoop) -> SessionLoop { sessions(on: residency.policy.loop(requestedOn: loop)) }

    /// What is open on a loop. Call on that loop.
    func open(on loop: EventLoop) -> OpenRegistry { registries[loop.index].value }

    /// How much is open, on every loop.
    func openCounts() async -> OpenRegistry.Counts {
        var counts = OpenRegistry.Counts()
        for bound in registries { counts = counts + (await bound.call { $0.counts }) }
        return counts
    }

    /// Begins to let connections go, on every loop.
    func drain(window: Duration) async {
        for (sessions, registry) in zip(sessionLoops, registries) {
            await sessions.call { sessions in
                registry.value.drain(window: window)
                sessions.residents.drain()
            }
        }
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
            labels: routes.labels, loops: loops, refusals: gate.refusals, heldBytes: budget.heldBytes,
            budgetBytes: budget.limitBytes,
            isReady: lifecycle.stage == .serving, failedAttempts: authentication.attempts.total,
            limited: metering.refusals, tls: tls, routing: router.report, webhooks: webhooks,
            runners: runners.statistics, store: store.map(StoreReport.init))
    }

    func connectionReports(limit: Int) async -> [ConnectionReport] {
        var reports: [ConnectionReport] = []
        for bound in sessionLoops { reports += await bound.call { $0.loop.connectionReports(limit: limit) } }
        return reports
    }

    /// Ends everything that runs and closes the WebSockets, on every loop.
    func endAll() async {
        for (sessions, registry) in zip(sessionLoops, registries) {
            await sessions.call { $0.residents.endAll { registry.value.closeAll() } }
        }
    }
}

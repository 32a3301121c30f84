import API
import Access
import Faces
import Glibc
import HTTP
import Hosting
import Jobs
import Logging
import Network
import Runners
import SessionHosting
import Sessions
import Storage
import Upstreams

/// Creates the parts of a server, in the order of their dependencies.
struct Assembly {
    let configuration: ServerConfiguration
    let upstreams: [UpstreamConfiguration]
    let isRehearsal: Bool
    let store: Store?
    let loops: [EventLoop]
    let logger: Logger

    /// - Parameter started: each part that has been started is added to it.
    func makeParts(tls: TLSServerContext?, _ started: inout StartedParts) async throws -> Parts {
        let lifecycle = Lifecycle()
        let budget = MemoryBudget(limitBytes: configuration.memoryBudgetBytes, loopCount: loops.count)
        let authentication = try await Authentication.make(
            configuration.access, store, includesLoopback: configuration.acceptLimits.includesLoopback, loop: loops[0],
            logger: logger)
        started.add { authentication.stop() }
        let webhooks = try await Webhooks.start(configuration.webhooks, store: store, on: loops[0])
        started.add { await webhooks.stop(within: .zero) }
        let usage = UsageLedger(store)
        let idempotency = try await IdempotencyKeys(
            store, retention: configuration.idempotencyRetention, unixTime: Int(time(nil)))
        let accessLog = configuration.keepsAccessLog ? AccessLog(logger) : nil
        let metering = Metering(usage: usage, idempotency: idempotency, accessLog: accessLog) { authentication.limits(ofKey: $0) }
        let router = UpstreamRouter(upstreams, options: configuration.routing)
        let upstreamCounters = loops.map { LoopBound(transferring: UpstreamCounters(), to: $0) }
        let runners = RunnerBoard()
        let model = RunnerModel(
            options: configuration.runnerOptions, board: runners, upstreams: UpstreamModel(router, counters: upstreamCounters))
        let sessions = await makeSessions(model, budget, metering, webhooks)
        let jobs = try await makeJobs(sessions, metering, lifecycle, sink: webhooks)
        let modelNames = ModelNames(
            ModelList(upstreams, isRehearsal: isRehearsal, loop: loops[0]), runner: configuration.runnerModel,
            now: Int(time(nil)))
        let gate = makeGate()
        _ = ProcessStatistics.startTime
        return Parts(
            lifecycle: lifecycle, authentication: authentication, webhooks: webhooks, usage: usage, idempotency: idempotency,
            metering: metering, accessLog: accessLog, upstreams: router, runners: runners, sessions: sessions,
            modelNames: modelNames, files: jobs?.files, batches: jobs?.batches, gate: gate,
            operatorSources: OperatorSources(
                gate: gate, budget: budget, tls: tls, upstreams: router, upstreamCounters: upstreamCounters, webhooks: webhooks,
                runners: runners))
    }

    /// The parts that calls need.
    func makeServices(_ parts: Parts, routes: API.RouteTable) -> APIServices {
        APIServices(
            settings: configuration.apiSettings, routes: routes, lifecycle: parts.lifecycle, authentication: parts.authentication,
            operatorAccess: OperatorAccess(configuration.access, isLoopbackOnly: configuration.isLoopbackOnly),
            metering: parts.metering, accessLog: parts.accessLog, idempotency: parts.idempotency, sessions: parts.sessions,
            store: store, modelNames: parts.modelNames)
    }

    private func makeGate() -> AcceptGate {
        var limits = configuration.acceptLimits
        // The rest is for upstreams: each running answer needs a descriptor too.
        if limits.total == 0 { limits.total = max(64, ProcessStatistics.descriptorLimit / 5 * 4) }
        return AcceptGate(limits)
    }

    /// Creates the sessions of each loop, on that loop.
    private func makeSessions(
        _ model: some Model, _ budget: MemoryBudget, _ metering: Metering, _ webhooks: Webhooks
    ) async -> SessionDirectory {
        let residency = Residency<Session>(policy: PlacementPolicy(loops: loops))
        let ordinals = SessionOrdinals()
        let settings = configuration.sessionSettings
        var bound: [LoopBound<SessionLoop>] = []
        for loop in loops {
            bound.append(
                await withCheckedContinuation { continuation in
                    loop.execute { [store, count = loops.count] in
                        let sessions = SessionLoop(
                            loop: loop, model: model, residency: residency, settings: settings,
                            memory: LoopMemory(loop: loop, budget: budget), loopCount: count, store: store, ordinals: ordinals,
                            accounting: metering
                        ) { [MeteringListener(metering, on: loop), WebhookListener(webhooks, of: $0)] }
                        continuation.resume(returning: LoopBound(sessions, on: loop))
                    }
                })
        }
        return SessionDirectory(residency: residency, loops: bound, store: store, maxTailBytes: settings.residentLogBytes)
    }

    /// Files and batches; nil if nothing is stored.
    /// - Parameter sink: is told of the end of batches.
    private func makeJobs(
        _ sessions: SessionDirectory, _ metering: Metering, _ lifecycle: Lifecycle, sink: any JobEventSink
    ) async throws(JobError) -> (files: FileLibrary, batches: BatchEngine)? {
        guard let store, let directory = configuration.dataDirectory else { return nil }
        let files = try await FileLibrary.open(
            directory: directory, store: store, limits: configuration.fileLimits, logger: logger)
        let batches = BatchEngine(
            store: store, library: files,
            runner: SessionBatchRunner(sessions: sessions, metering: metering, lifecycle: lifecycle), sink: sink,
            limits: configuration.batchLimits, logger: logger)
        return (files, batches)
    }

    // MARK: While it runs

    /// Starts the background work that lasts until the server stops: sessions with unfinished work continue, sessions that are too
    /// old are deleted, and old idempotency keys are forgotten.
    func startUpkeep(of services: APIServices) {
        Task { await services.sessions.recover(until: services.lifecycle) }
        let clock = loops[0]
        if let store {
            Retention(
                residency: services.sessions.residency, store: store, period: configuration.retention,
                maxByteCount: configuration.maxDataBytes, logger: logger
            ).start(until: services.lifecycle) { clock.unixTime }
        }
        IdempotencySweeper(keys: services.idempotency, retention: configuration.idempotencyRetention, logger: logger)
            .start(until: services.lifecycle, clock: clock)
    }
}

import Glibc
import HTTP
import Hosting
import Jobs
public import Logging
public import Network
import Sessions
import Storage
import Upstreams

/// The whole server: loops, sessions, faces, upstreams.
public final class Server: Sendable {
    /// Where it listens: with the ports that the kernel chose, where it was asked to.
    public let addresses: [SocketAddress]
    /// As ``addresses``, where it speaks TLS.
    public let tlsAddresses: [SocketAddress]
    /// Certificates, and counts for metrics; nil when it does not speak TLS.
    public let tls: TLSServerContext?
    private let group: EventLoopGroup
    let context: ServerContext
    private let listeners: [ListenerSet]
    private let rehearsal: Rehearsal?
    private let heap: HeapKeeper
    /// Asks upstreams how they are.
    private let probe: Task<Void, Never>
    private let logger: Logger

    /// Base URL of the rehearsal model's own endpoint; nil when real upstreams answer.
    public var rehearsalBaseURL: String? { rehearsal?.baseURL }

    private init(
        addresses: [SocketAddress], tlsAddresses: [SocketAddress], tls: TLSServerContext?, group: EventLoopGroup,
        context: ServerContext, listeners: [ListenerSet],
        rehearsal: Rehearsal?, probe: Task<Void, Never>, heap: HeapKeeper, logger: Logger
    ) {
        self.heap = heap
        self.probe = probe
        self.addresses = addresses
        self.tlsAddresses = tlsAddresses
        self.tls = tls
        self.group = group
        self.context = context
        self.listeners = listeners
        self.rehearsal = rehearsal
        self.logger = logger
    }

    /// Starts everything; returns when it listens.
    /// - Throws: ``Network/SystemCallError`` when an address cannot be had, ``Network/TLSFileError`` when a certificate cannot be
    ///   used, ``Storage/StorageError`` when the data cannot be.
    public static func start(_ configuration: ServerConfiguration, logger: Logger) async throws -> Server {
        try await start(configuration, routes: routes, logger: logger)
    }

    /// - Parameter routes: those of every face that it has.
    static func start(_ configuration: ServerConfiguration, routes: [Route], logger: Logger) async throws -> Server {
        let routes = RouteTable(routes)
        let tls = try configuration.tls.map { (settings) throws(TLSFileError) in try TLSServerContext(settings) }
        let store = try configuration.dataDirectory.map { (directory) throws(StorageError) in
            try Store.open(directory: directory, durability: configuration.durability, logger: logger)
        }
        let heap = HeapKeeper { store?.releaseMemory() }
        heap.start()
        let group = try EventLoopGroup(count: configuration.loops, logger: logger)
        var rehearsal: Rehearsal?
        var listeners: [ListenerSet] = []
        do {
            var upstreams = configuration.upstreams
            if upstreams.isEmpty {
                let started = try await Rehearsal.start(address: configuration.rehearsalAddress, logger: logger)
                rehearsal = started
                var upstream = UpstreamConfiguration(
                    baseURL: started.baseURL, silenceTimeout: configuration.rehearsalSilenceTimeout)
                upstream.wording = configuration.wording
                upstreams = [upstream]
            }
            let webhooks = try await Webhooks.start(configuration.webhooks, store: store, on: group.loops[0])
            let context = try await makeContext(
                configuration, routes, upstreams, group, isRehearsal: rehearsal != nil, tls: tls, store: store, webhooks: webhooks,
                logger: logger)
            if let store, let directory = configuration.dataDirectory {
                try await startJobs(context, store: store, directory: directory, sink: webhooks, logger: logger)
            }
            var limits = configuration.httpLimits
            for case .streamed(let maxBytes) in routes.routes.map(\.body) {
                limits.maxBodyBytes = max(limits.maxBodyBytes, maxBytes(configuration))
            }
            let server = HTTPServer(
                limits: limits, deadlines: configuration.httpDeadlines, proxies: configuration.proxies,
                gate: context.gate, handler: Router(context: context))
            for address in configuration.addresses {
                listeners.append(
                    try await server.listen(
                        on: address, access: configuration.unixSocketAccess, group: group, layer: configuration.connectionLayer))
            }
            let plainCount = listeners.count
            for address in configuration.tlsAddresses {
                listeners.append(try await server.listen(on: address, tls: tls, group: group))
            }
            logger.info(
                "listening",
                metadata: ["addresses": .array(listeners.map { "\($0.address)" }), "loops": .stringConvertible(group.loops.count)])
            let isRehearsal = rehearsal != nil
            context.modelNames.follow { [weak context, upstreams] in
                guard let context else { return true }
                let list = ModelList(context: context, upstreams: upstreams, isRehearsal: isRehearsal, loop: group.loops[0])
                return await list.refresh()
            }
            Task { await context.recoverSessions() }
            if let store {
                let clock = group.loops[0]
                Retention(
                    residency: context.residency, store: store, period: configuration.retention,
                    maxByteCount: configuration.maxDataBytes, logger: logger
                ).start(until: context.lifecycle) { clock.unixTime }
            }
            IdempotencySweeper(context: context, logger: logger).start()
            let probe = Task { await context.router.probe(on: group.loops[0]) }
            return Server(
                addresses: listeners[..<plainCount].map(\.address), tlsAddresses: listeners[plainCount...].map(\.address), tls: tls,
                group: group, context: context, listeners: listeners, rehearsal: rehearsal, probe: probe, heap: heap,
                logger: logger)
        } catch {
            for listener in listeners { listener.stop() }
            rehearsal?.stop()
            group.shutDown()
            await store?.close()
            throw error
        }
    }

    private static func makeContext(
        _ configuration: ServerConfiguration, _ routes: RouteTable, _ upstreams: [UpstreamConfiguration], _ group: EventLoopGroup,
        isRehearsal: Bool, tls: TLSServerContext?, store: Store?, webhooks: Webhooks, logger: Logger
    ) async throws -> ServerContext {
        let authentication = try await Authentication.make(configuration, store, loop: group.loops[0], logger)
        let usage = UsageLedger(store)
        let idempotency = try await IdempotencyKeys(
            store, retention: configuration.idempotencyRetention, unixTime: Int(time(nil)))
        let accessLog = configuration.keepsAccessLog ? AccessLog(logger) : nil
        let metering = Metering(usage: usage, idempotency: idempotency, accessLog: accessLog) { authentication.limits(ofKey: $0) }
        let residency = Residency<Session>(policy: PlacementPolicy(loops: group.loops))
        _ = ProcessStatistics.startTime
        let budget = MemoryBudget(limitBytes: configuration.memoryBudgetBytes, loopCount: group.loops.count)
        let upstreamCounters = group.loops.map { LoopBound(transferring: UpstreamCounters(), to: $0) }
        let router = UpstreamRouter(upstreams, options: configuration.routing)
        let runners = RunnerBoard()
        let model = RunnerModel(
            options: configuration.runnerOptions, board: runners, upstreams: UpstreamModel(router, counters: upstreamCounters))
        let count = group.loops.count
        let ordinals = SessionOrdinals()
        var sessionLoops: [LoopBound<SessionLoop>] = []
        for loop in group.loops {
            let bound = await withCheckedContinuation { continuation in
                loop.execute {
                    let sessions = SessionLoop(
                        loop: loop, model: model, residency: residency, configuration: configuration, loopCount: count,
                        budget: budget, store: store, ordinals: ordinals)
                    sessions.metering = metering
                    sessions.idempotency = idempotency
                    sessions.add(listener: MeteringListener(metering, on: loop))
                    sessions.add(listener: WebhookListener(webhooks, of: sessions))
                    continuation.resume(returning: LoopBound(sessions, on: loop))
                }
            }
            sessionLoops.append(bound)
        }
        return ServerContext(
            configuration: configuration, routes: routes, residency: residency, budget: budget,
            modelNames: ModelNames(
                preferred: isRehearsal ? "rehearsal" : preferred(upstreams), runner: configuration.runnerOptions.model,
                now: Int(time(nil))),
            authentication: authentication, metering: metering, accessLog: accessLog, usage: usage, idempotency: idempotency,
            store: store,
            sessionLoops: sessionLoops, upstreamCounters: upstreamCounters, router: router, runners: runners, tls: tls,
            webhooks: webhooks)
    }

    /// For a session that names no model: the first name that the operator gave.
    private static func preferred(_ upstreams: [UpstreamConfiguration]) -> String {
        for upstream in upstreams {
            if let name = upstream.modelNames.keys.min() { return name }
            if let name = upstream.models?.first(where: { $0.closeness == .name }) { return name.text }
        }
        return ""
    }

    /// Reads the certificate files again. Connections that stand are not touched; when a file cannot be used, the log says so and
    /// what was loaded before stays.
    public func reloadCertificates() {
        guard let tls else { return }
        do throws(TLSFileError) {
            try tls.reload()
            logger.notice("certificates reloaded", metadata: ["count": .stringConvertible(tls.settings.certificates.count)])
        } catch {
            logger.error("certificates not reloaded: those from before stay in use", metadata: ["error": "\(error)"])
        }
    }

    /// How long the last bytes may take on their way to clients, once nothing runs any more.
    private static let farewellDuration = Duration.seconds(2)

    /// Ends the server so that nobody loses anything: first it says that it is not ready; then it takes no connections, begins
    /// nothing, and lets each client go when what it waits for has come; what still runs at the deadline is cancelled and told so.
    public func shutDown() async {
        let configuration = context.configuration
        context.lifecycle.enter(.leaving)
        if configuration.drainDelay > .zero { try? await Task.sleep(for: configuration.drainDelay) }
        context.lifecycle.enter(.draining)
        for listener in listeners { listener.stop() }
        let open = await context.openCounts()
        logger.info(
            "draining",
            metadata: [
                "calls": .stringConvertible(open.calls), "streams": .stringConvertible(open.streams),
                "websockets": .stringConvertible(open.sockets),
            ])
        context.runners.dismissWaiting()
        await context.jobs.current?.batches.stop()
        await context.drain(window: min(configuration.drainWindow, configuration.drainTimeout))
        let isDrained = await Drain.wait(atMost: configuration.drainTimeout) { await context.isDrained() }
        if !isDrained {
            await context.endAll()
            _ = await Drain.wait(atMost: Self.farewellDuration) { await context.isDrained() }
        }
        await Self.waitForJobs(context, timeout: Self.farewellDuration)
        probe.cancel()
        heap.stop()
        await context.webhooks.stop(within: Self.farewellDuration)
        group.shutDown()
        rehearsal?.stop()
        context.authentication.stop()
        await context.store?.close()
        logger.info("stopped", metadata: ["drained": .stringConvertible(isDrained)])
    }
}

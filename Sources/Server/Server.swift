package import API
import Access
import HTTP
import Hosting
import Jobs
public import Logging
public import Network
import Runners
import SessionHosting
import Sessions
import Storage
import Upstreams

/// The whole server: loops, sessions, faces, upstreams.
public final class Server: Sendable {
    /// The addresses it listens on, with the port that the kernel chose where the configuration has port 0.
    public let addresses: [SocketAddress]
    /// Like ``addresses``, for TLS.
    public let tlsAddresses: [SocketAddress]
    /// Certificates, and counts for metrics; nil without TLS.
    public let tls: TLSServerContext?
    private let configuration: ServerConfiguration
    private let group: EventLoopGroup
    package let services: APIServices
    private let parts: Parts
    private let listeners: [ListenerSet]
    private let rehearsal: Rehearsal?
    private let heap: HeapKeeper
    /// Checks the health of upstreams.
    private let probe: Task<Void, Never>
    private let logger: Logger

    /// Base URL of the rehearsal model's own endpoint; nil if real upstreams answer.
    public var rehearsalBaseURL: String? { rehearsal?.baseURL }

    private init(
        _ configuration: ServerConfiguration, listeners: Listeners, tls: TLSServerContext?, group: EventLoopGroup,
        parts: Parts, services: APIServices, rehearsal: Rehearsal?, heap: HeapKeeper, logger: Logger
    ) {
        self.configuration = configuration
        addresses = listeners.plain.map(\.address)
        tlsAddresses = listeners.encrypted.map(\.address)
        self.listeners = listeners.all
        self.tls = tls
        self.group = group
        self.parts = parts
        self.services = services
        self.rehearsal = rehearsal
        probe = Task { await parts.upstreams.probe(on: group.loops[0]) }
        self.heap = heap
        self.logger = logger
    }

    /// Starts a server, and returns once it is listening.
    /// - Throws: ``Network/SystemCallError`` if it cannot listen on an address, ``Network/TLSFileError`` if a certificate cannot be
    ///   used, ``Storage/StorageError`` if the data cannot be used.
    public static func start(_ configuration: ServerConfiguration, logger: Logger) async throws -> Server {
        try await start(configuration, logger: logger) { $0 }
    }

    /// - Parameter change: returns the routes to serve, given those of the server's faces.
    package static func start(
        _ configuration: ServerConfiguration, logger: Logger, changingRoutes change: ([Route]) -> [Route]
    ) async throws -> Server {
        var started = StartedParts()
        do {
            return try await start(configuration, logger, change, &started)
        } catch {
            await started.stop()
            throw error
        }
    }

    private static func start(
        _ configuration: ServerConfiguration, _ logger: Logger, _ change: ([Route]) -> [Route], _ started: inout StartedParts
    ) async throws -> Server {
        let tls = try configuration.tls.map { (settings) throws(TLSFileError) in try TLSServerContext(settings) }
        let store = try configuration.dataDirectory.map { (directory) throws(StorageError) in
            try Store.open(directory: directory, durability: configuration.durability, logger: logger)
        }
        started.add { await store?.close() }
        let group = try EventLoopGroup(count: configuration.loops, logger: logger)
        started.add { group.shutDown() }
        let heap = HeapKeeper { store?.releaseMemory() }
        heap.start()
        started.add { heap.stop() }
        var rehearsal: Rehearsal?
        if configuration.upstreams.isEmpty {
            let endpoint = try await Rehearsal.start(address: configuration.rehearsalAddress, logger: logger)
            started.add { endpoint.stop() }
            rehearsal = endpoint
        }
        let assembly = Assembly(
            configuration: configuration, upstreams: configuration.upstreams(orRehearsalAt: rehearsal?.baseURL),
            isRehearsal: rehearsal != nil, store: store, loops: group.loops, logger: logger)
        let parts = try await assembly.makeParts(tls: tls, &started)
        let services = assembly.makeServices(parts, routes: API.RouteTable(change(routes(of: parts, configuration))))
        try await parts.batches?.load()
        var listeners = Listeners()
        do {
            try await listeners.open(
                for: Router(services: services), configuration, gate: parts.gate, tls: tls, group, logger)
        } catch {
            for listener in listeners.all { listener.stop() }
            throw error
        }
        await parts.batches?.run()
        services.modelNames.askAgain(at: .monotonicNow)
        assembly.startUpkeep(of: services)
        return Server(
            configuration, listeners: listeners, tls: tls, group: group, parts: parts, services: services, rehearsal: rehearsal,
            heap: heap, logger: logger)
    }

    /// Reads the certificate files again. Open connections are not affected. If a file cannot be used, an error is logged and the
    /// certificates loaded before stay in use.
    public func reloadCertificates() {
        guard let tls else { return }
        do throws(TLSFileError) {
            try tls.reload()
            logger.notice("certificates reloaded", metadata: ["count": .stringConvertible(tls.settings.certificates.count)])
        } catch {
            logger.error("certificates not reloaded: those from before stay in use", metadata: ["error": "\(error)"])
        }
    }

    /// How long the last output may take to reach clients after everything has ended.
    private static let farewellDuration = Duration.seconds(2)

    /// Shuts the server down so that no client loses anything. It first reports that it is not ready. Then it accepts no
    /// connections, begins nothing new, and disconnects each client when it has received what it waits for. Work that is still
    /// running at the deadline is cancelled, and its clients are told.
    public func shutDown() async {
        services.lifecycle.enter(.leaving)
        if configuration.drainDelay > .zero { try? await Task.sleep(for: configuration.drainDelay) }
        services.lifecycle.enter(.draining)
        for listener in listeners { listener.stop() }
        let open = await services.openCounts()
        logger.info(
            "draining",
            metadata: [
                "calls": .stringConvertible(open.calls), "streams": .stringConvertible(open.streams),
                "websockets": .stringConvertible(open.sockets),
            ])
        parts.runners.dismissWaiting()
        await parts.batches?.stop()
        await services.drain(window: min(configuration.drainWindow, configuration.drainTimeout))
        let isDrained = await Drain.wait(atMost: configuration.drainTimeout) { await services.sessions.isDrained() }
        if !isDrained {
            await services.endAll()
            _ = await Drain.wait(atMost: Self.farewellDuration) { await services.sessions.isDrained() }
        }
        _ = await Drain.wait(atMost: Self.farewellDuration) { await !(parts.batches?.isRunning ?? false) }
        probe.cancel()
        heap.stop()
        await parts.webhooks.stop(within: Self.farewellDuration)
        group.shutDown()
        rehearsal?.stop()
        services.authentication.stop()
        await services.store?.close()
        logger.info("stopped", metadata: ["drained": .stringConvertible(isDrained)])
    }
}

public import Logging
public import Network
import Sessions
import Upstreams

/// The whole server: loops, sessions, faces, upstreams.
public final class Server: Sendable {
    /// Where it listens: with the ports that the kernel chose, where it was asked to.
    public let addresses: [SocketAddress]
    private let group: EventLoopGroup
    private let context: ServerContext
    private let listeners: [ListenerSet]
    private let rehearsal: Rehearsal?
    private let logger: Logger

    /// Base URL of the rehearsal model's own endpoint; nil when real upstreams answer.
    public var rehearsalBaseURL: String? { rehearsal?.baseURL }

    private init(
        addresses: [SocketAddress], group: EventLoopGroup, context: ServerContext, listeners: [ListenerSet],
        rehearsal: Rehearsal?, logger: Logger
    ) {
        self.addresses = addresses
        self.group = group
        self.context = context
        self.listeners = listeners
        self.rehearsal = rehearsal
        self.logger = logger
    }

    /// Starts everything; returns when it listens.
    /// - Throws: ``Network/SystemCallError`` when an address cannot be had.
    public static func start(_ configuration: ServerConfiguration, logger: Logger) async throws -> Server {
        let group = try EventLoopGroup(count: configuration.loops, logger: logger)
        var rehearsal: Rehearsal?
        var listeners: [ListenerSet] = []
        do {
            var upstreams = configuration.upstreams
            if upstreams.isEmpty {
                let started = try await Rehearsal.start(address: configuration.rehearsalAddress, logger: logger)
                rehearsal = started
                upstreams = [
                    UpstreamConfiguration(
                        baseURL: started.baseURL, silenceTimeout: configuration.rehearsalSilenceTimeout)
                ]
            }
            let context = await makeContext(configuration, upstreams, group, isRehearsal: rehearsal != nil)
            let server = HTTPServer(
                limits: configuration.httpLimits, deadlines: configuration.httpDeadlines, proxies: configuration.proxies,
                handler: Router(context: context))
            for address in configuration.addresses {
                listeners.append(try await server.listen(on: address, group: group))
            }
            logger.info("listening", metadata: ["addresses": "\(listeners.map(\.address))", "loops": "\(group.loops.count)"])
            let models = ModelList(context: context, upstreams: upstreams, isRehearsal: rehearsal != nil, loop: group.loops[0])
            Task { await models.refresh() }
            return Server(
                addresses: listeners.map(\.address), group: group, context: context, listeners: listeners, rehearsal: rehearsal,
                logger: logger)
        } catch {
            for listener in listeners { listener.stop() }
            rehearsal?.stop()
            group.shutDown()
            throw error
        }
    }

    private static func makeContext(
        _ configuration: ServerConfiguration, _ upstreams: [UpstreamConfiguration], _ group: EventLoopGroup, isRehearsal: Bool
    ) async -> ServerContext {
        let directory = SessionDirectory()
        let metrics = ServerMetrics()
        let model = UpstreamModel(upstreams)
        let count = group.loops.count
        var sessionLoops: [LoopBound<SessionLoop>] = []
        for loop in group.loops {
            let bound = await withCheckedContinuation { continuation in
                loop.execute {
                    let sessions = SessionLoop(
                        loop: loop, model: model, directory: directory, configuration: configuration, loopCount: count,
                        metrics: metrics)
                    continuation.resume(returning: LoopBound(sessions, on: loop))
                }
            }
            sessionLoops.append(bound)
        }
        return ServerContext(
            configuration: configuration, directory: directory, metrics: metrics,
            modelNames: ModelNames(preferred: isRehearsal ? "rehearsal" : upstreams[0].modelNames.keys.sorted().first ?? ""),
            sessionLoops: sessionLoops)
    }

    /// Takes no new work, lets what runs come to its end within the drain timeout, then ends.
    public func shutDown() async {
        context.lifecycle.beginDraining()
        for listener in listeners { listener.stop() }
        let deadline = ContinuousClock.now + context.configuration.drainTimeout
        while await context.activeCount() > 0, ContinuousClock.now < deadline {
            try? await Task.sleep(for: .milliseconds(50))
        }
        await context.endAll()
        // What the clients are owed was written in the last turn; one more turn sends it.
        try? await Task.sleep(for: .milliseconds(100))
        group.shutDown()
        rehearsal?.stop()
        logger.info("stopped")
    }
}

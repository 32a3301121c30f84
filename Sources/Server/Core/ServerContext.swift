import Network
import Sessions

/// What the faces share. One for a server.
final class ServerContext: Sendable {
    let configuration: ServerConfiguration
    let directory: SessionDirectory
    let authentication: Authentication
    let crossOrigin: CrossOrigin
    let metrics: ServerMetrics
    let lifecycle = Lifecycle()
    let modelNames: ModelNames
    private let sessionLoops: [LoopBound<SessionLoop>]

    init(
        configuration: ServerConfiguration, directory: SessionDirectory, metrics: ServerMetrics, modelNames: ModelNames,
        sessionLoops: [LoopBound<SessionLoop>]
    ) {
        self.configuration = configuration
        self.directory = directory
        self.metrics = metrics
        self.modelNames = modelNames
        self.sessionLoops = sessionLoops
        authentication = Authentication(configuration.principals)
        crossOrigin = CrossOrigin(
            allowed: configuration.allowedOrigins, keysAreRequired: !configuration.principals.isEmpty,
            isLoopbackOnly: configuration.isLoopbackOnly)
    }

    /// The sessions that live on a loop. Call on that loop.
    func sessions(on loop: EventLoop) -> SessionLoop { sessionLoops[loop.index].value }

    /// Ends everything that runs and closes the WebSockets, on every loop.
    func endAll() async {
        for bound in sessionLoops { await bound.call { $0.endAll() } }
    }

    /// Responses that run now, on all loops.
    func activeCount() async -> Int {
        var count = 0
        for bound in sessionLoops { count += await bound.call { $0.activeCount } }
        return count
    }
}

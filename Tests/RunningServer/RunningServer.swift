package import API
import Logging
import Network
package import Server
package import SessionHosting

/// Starts a server on loopback with one event loop, runs `body`, and stops it.
/// - Parameter change: makes the list of what it serves from that of its own faces.
package func withServer(
    changingRoutes change: ([Route]) -> [Route] = { $0 }, configure: (inout ServerConfiguration) -> Void = { _ in },
    _ body: (Server) async throws -> Void
) async throws {
    var configuration = ServerConfiguration()
    configuration.addresses = [.tcp(host: "127.0.0.1", port: 0)]
    configuration.loops = 1
    configuration.drainTimeout = .seconds(1)
    configuration.drainWindow = .zero
    configure(&configuration)
    let server = try await Server.start(
        configuration, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, changingRoutes: change)
    do {
        try await body(server)
    } catch {
        await server.shutDown()
        throw error
    }
    await server.shutDown()
}

extension Server {
    /// What it serves.
    package var routes: [Route] { services.routes.routes }

    package func connect() throws -> LoopbackClient { try LoopbackClient(to: addresses[0]) }

    /// Runs `body` on the only event loop, with what lives there.
    package func onLoop<Result: Sendable>(_ body: @escaping @Sendable (SessionLoop) -> Result) async -> Result {
        await services.sessions.loops[0].call(body)
    }
}

import HTTP
public import Logging
public import Network

/// The rehearsal model behind a real endpoint: not an AI, but enough to try and test everything around a model
/// (Protocols/rehearsal.md). Runs on its own event loop, so it never delays the loops of the server that calls it.
public final class Rehearsal: Sendable {
    /// The address it listens on, with the port that the kernel chose for port 0.
    public let address: SocketAddress
    private let group: EventLoopGroup
    private let listeners: ListenerSet

    private init(group: EventLoopGroup, listeners: ListenerSet) {
        self.group = group
        self.listeners = listeners
        address = listeners.address
    }

    /// Listens and answers until ``stop()``.
    /// - Parameter logger: receives events of connections, never their content.
    /// - Throws: `SystemCallError`, for example `EADDRINUSE` from `bind`.
    public static func start(address: SocketAddress, logger: Logger) async throws -> Rehearsal {
        let group = try EventLoopGroup(count: 1, logger: logger)
        do {
            let server = HTTPServer(handler: await RehearsalEndpoint(on: group.loops[0]))
            return Rehearsal(group: group, listeners: try await server.listen(on: address, group: group))
        } catch {
            group.shutDown()
            throw error
        }
    }

    /// Base URL for OpenAI's dialect, `http://HOST:PORT/v1`; Anthropic's is the same without `/v1`. `http://localhost/v1` for a
    /// Unix socket.
    public var baseURL: String {
        if case .tcp = address { "http://\(address)/v1" } else { "http://localhost/v1" }
    }

    /// Stops listening, closes all connections and ends the thread.
    /// - Precondition: not called on an event loop.
    public func stop() {
        listeners.stop()
        group.shutDown()
    }
}

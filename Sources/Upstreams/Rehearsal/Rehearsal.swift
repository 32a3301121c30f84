import HTTP
public import Logging
public import Network

/// The rehearsal model behind a real endpoint: no AI, but everything around a model can be tried and tested with it
/// (Protocols/rehearsal.md). It has an event loop of its own and so never delays those of the server that calls it.
public final class Rehearsal: Sendable {
    /// Where it listens, with the port that the kernel chose if it was asked to.
    public let address: SocketAddress
    private let group: EventLoopGroup
    private let listeners: ListenerSet

    private init(group: EventLoopGroup, listeners: ListenerSet) {
        self.group = group
        self.listeners = listeners
        address = listeners.address
    }

    /// Listens, and answers until ``stop()``.
    /// - Parameter logger: gets what happens to connections; never what is said on them.
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

    /// Base URL for OpenAI's dialect, `http://HOST:PORT/v1`; for Anthropic's it is this without `/v1`. `http://localhost/v1`
    /// when it listens on a Unix socket.
    public var baseURL: String {
        if case .tcp = address { "http://\(address)/v1" } else { "http://localhost/v1" }
    }

    /// Takes no more requests, closes its connections and ends its thread. Not from an event loop.
    public func stop() {
        listeners.stop()
        group.shutDown()
    }
}

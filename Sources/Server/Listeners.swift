import API
import HTTP
import Logging
import Network

/// The sockets that a server listens on.
struct Listeners {
    private(set) var plain: [ListenerSet] = []
    private(set) var encrypted: [ListenerSet] = []

    var all: [ListenerSet] { plain + encrypted }

    /// Listens on every address of the configuration. Listeners that were opened before an error are in ``all``.
    mutating func open(
        for router: Router, _ configuration: ServerConfiguration, gate: AcceptGate, tls: TLSServerContext?,
        _ group: EventLoopGroup, _ logger: Logger
    ) async throws {
        var limits = configuration.httpLimits
        for case .streamed(let maxBytes) in router.services.routes.routes.map(\.body) {
            limits.maxBodyBytes = max(limits.maxBodyBytes, maxBytes)
        }
        let server = HTTPServer(
            limits: limits, deadlines: configuration.httpDeadlines, proxies: configuration.proxies,
            gate: gate, handler: router)
        for address in configuration.addresses {
            plain.append(
                try await server.listen(
                    on: address, access: configuration.unixSocketAccess, group: group, layer: configuration.connectionLayer))
        }
        for address in configuration.tlsAddresses { encrypted.append(try await server.listen(on: address, tls: tls, group: group)) }
        logger.info(
            "listening",
            metadata: ["addresses": .array(all.map { "\($0.address)" }), "loops": .stringConvertible(group.loops.count)])
    }
}

import Logging
import Network
import Upstreams

/// Detects model servers on this machine that are not configured.
enum LocalUpstreams {
    /// Probes the usual ports.
    /// - Parameter addresses: addresses on which this server listens.
    static func find(besides addresses: [SocketAddress]) async -> [UpstreamProbe.LocalUpstream] {
        let ports = addresses.compactMap { address -> UInt16? in if case .tcp(_, let port) = address { port } else { nil } }
        let quiet = Logger(label: "interject") { _ in StandardErrorLog(logLevel: .critical, format: .text) }
        guard let group = try? EventLoopGroup(count: 1, logger: quiet) else { return [] }
        defer { group.shutDown() }
        return await UpstreamProbe.findLocal(on: group.loops[0], excludedPorts: Set(ports))
    }

    /// One line that names a detected server and how to use it.
    static func describe(_ found: UpstreamProbe.LocalUpstream, program: String) -> String {
        let models = found.models.prefix(3).joined(separator: ", ") + (found.models.count > 3 ? ", …" : "")
        let holding = found.models.isEmpty ? "" : " with \(models)"
        return "\(found.name) runs here\(holding): \(program) serve --upstream \(found.configuration.baseURL)"
    }
}

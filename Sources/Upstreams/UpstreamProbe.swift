import JSON
public import Network
import Sessions

/// Finds upstreams and checks whether they would answer, for the start-up message and `interject doctor`.
public enum UpstreamProbe {
    /// The result of `GET …/models`.
    public struct Report: Sendable {
        /// Whether the upstream answered and accepted the key.
        public var isUsable: Bool { error == nil }
        /// Whether there was any answer at all.
        public var isReachable: Bool
        /// Whether the upstream seems able to answer: it accepted the key and reports no failure of its own.
        public var isServing = false
        /// Whether no file descriptor was left for the request, so that nothing is known.
        var wasNotAsked = false
        /// Identifiers of the models.
        public var models: [String]
        /// Time until the whole answer had arrived.
        public var latency: Duration
        /// The problem and its solution, for people; nil without a problem.
        public var error: String?
        /// `owned_by` of the first model.
        var owner: String?
    }

    /// An upstream that listens on its usual port of this machine.
    public struct LocalUpstream: Sendable {
        /// Product name: `Ollama`, `llama.cpp`, `vLLM`, `LM Studio`.
        public let name: String
        /// How to use it, with default values.
        public let configuration: UpstreamConfiguration
        /// Identifiers of its models.
        public let models: [String]
    }

    /// The products searched for, and their default ports.
    static let usualPorts: [(name: String, port: UInt16)] = [
        ("Ollama", 11434), ("llama.cpp", 8080), ("llama.cpp", 8081), ("vLLM", 8000), ("LM Studio", 1234),
    ]
    /// Time limit for a local upstream's answer.
    public static let localTimeout = Duration.milliseconds(300)

    /// Requests an upstream's list of models. Thread-safe.
    public static func check(
        _ upstream: UpstreamConfiguration, on loop: EventLoop, timeout: Duration = .seconds(10)
    ) async -> Report {
        var request: HTTPClientRequest
        do throws(GenerationError) {
            request = try upstream.dialect.speaker.modelsRequest(to: upstream)
        } catch {
            return Report(isReachable: false, models: [], latency: .zero, error: error.message)
        }
        request.totalTimeout = timeout
        let start = Instant.monotonicNow
        let result = await HTTPFetch.response(to: request, on: loop)
        let latency = Instant.monotonicNow - start
        switch result {
        case .failure(let error):
            return Report(
                isReachable: false, wasNotAsked: error == .noDescriptors, models: [], latency: latency,
                error: "\(upstream.authority): \(error)")
        case .success(let response):
            return report(response, upstream, latency)
        }
    }

    /// Finds the upstreams that run on this machine, in the order of ``usualPorts``. Thread-safe.
    /// - Parameter excludedPorts: ports on which this server listens.
    public static func findLocal(on loop: EventLoop, excludedPorts: Set<UInt16> = []) async -> [LocalUpstream] {
        await find(usualPorts.filter { !excludedPorts.contains($0.port) }, on: loop)
    }

    static func find(_ ports: [(name: String, port: UInt16)], on loop: EventLoop) async -> [LocalUpstream] {
        await withTaskGroup(of: (Int, LocalUpstream?).self) { group in
            for (index, entry) in ports.enumerated() {
                group.addTask {
                    let upstream = UpstreamConfiguration(baseURL: "http://127.0.0.1:\(entry.port)/v1")
                    let report = await check(upstream, on: loop, timeout: localTimeout)
                    // Another Interject server is not suggested as an upstream.
                    let isOurs = report.owner?.hasPrefix("interject") ?? false
                    guard report.isUsable, !isOurs else { return (index, nil) }
                    return (index, LocalUpstream(name: entry.name, configuration: upstream, models: report.models))
                }
            }
            var found: [(Int, LocalUpstream)] = []
            for await (index, upstream) in group {
                if let upstream { found.append((index, upstream)) }
            }
            return found.sorted { $0.0 < $1.0 }.map(\.1)
        }
    }

    private static func report(_ response: HTTPFetch.Response, _ upstream: UpstreamConfiguration, _ latency: Duration) -> Report {
        var report = Report(isReachable: true, models: [], latency: latency)
        report.isServing = response.status < 500 && response.status != 401 && response.status != 403
        switch response.status {
        case 200:
            guard let models = (try? JSONValue.parse(response.body))?["data"]?.array else {
                report.error = "\(upstream.authority) answers, but not with a list of models: is the URL right?"
                return report
            }
            report.models = models.compactMap { $0["id"]?.string }
            report.owner = models.first?["owned_by"]?.string
        case 401, 403: report.error = "\(upstream.authority) refuses the key (status \(response.status))."
        case 404, 405: report.error = "\(upstream.authority) has no list of models (status \(response.status)): is the URL right?"
        default: report.error = "\(upstream.authority) answers with status \(response.status)."
        }
        return report
    }
}

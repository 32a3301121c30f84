import JSON
public import Network
import Sessions

/// Looks for upstreams and asks them whether they would answer. For the start-up message and `interject doctor`.
public enum UpstreamProbe {
    /// What an upstream said to `GET …/models`.
    public struct Report: Sendable {
        /// Whether something answered, and was content with the key.
        public var isUsable: Bool { error == nil }
        /// Whether anything answered at all.
        public var isReachable: Bool
        /// Whether it seems able to answer: it was content with the key and reports no failure of its own.
        public var isServing = false
        /// No descriptor was left for the request: nothing was learnt.
        var wasNotAsked = false
        /// Identifiers of its models.
        public var models: [String]
        public var latency: Duration
        /// What is wrong and what to do, for people; nil when nothing is.
        public var error: String?
        /// `owned_by` of the first model.
        var owner: String?
    }

    /// An upstream that listens on its usual port of this machine.
    public struct LocalUpstream: Sendable {
        /// For people: `Ollama`, `llama.cpp`, `vLLM`, `LM Studio`.
        public let name: String
        public let configuration: UpstreamConfiguration
        public let models: [String]
    }

    /// What is looked for, and where.
    static let usualPorts: [(name: String, port: UInt16)] = [
        ("Ollama", 11434), ("llama.cpp", 8080), ("llama.cpp", 8081), ("vLLM", 8000), ("LM Studio", 1234),
    ]
    /// Time that a local upstream has to answer.
    public static let localTimeout = Duration.milliseconds(300)

    /// Asks an upstream for its models. From any thread.
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

    /// Finds the upstreams that run on this machine, in the order of ``usualPorts``. From any thread.
    /// - Parameter excludedPorts: where our own servers listen.
    public static func findLocal(on loop: EventLoop, excludedPorts: Set<UInt16> = []) async -> [LocalUpstream] {
        await find(usualPorts.filter { !excludedPorts.contains($0.port) }, on: loop)
    }

    static func find(_ places: [(name: String, port: UInt16)], on loop: EventLoop) async -> [LocalUpstream] {
        await withTaskGroup(of: (Int, LocalUpstream?).self) { group in
            for (index, place) in places.enumerated() {
                group.addTask {
                    let upstream = UpstreamConfiguration(baseURL: "http://127.0.0.1:\(place.port)/v1")
                    let report = await check(upstream, on: loop, timeout: localTimeout)
                    // Another Interject server is not offered as upstream.
                    let isOurs = report.owner?.hasPrefix("interject") ?? false
                    guard report.isUsable, !isOurs else { return (index, nil) }
                    return (index, LocalUpstream(name: place.name, configuration: upstream, models: report.models))
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

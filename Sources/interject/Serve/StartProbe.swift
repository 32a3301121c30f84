import Logging
import Network
import Synchronization
import Upstreams

/// Requests the upstreams' lists of models during the start, without delaying it.
final class StartProbe: Sendable {
    /// Time limit for an upstream's answer.
    static let timeout = Duration.seconds(5)

    private let upstreams: [UpstreamConfiguration]
    /// The reports so far, by index of the upstream.
    private let reports = Mutex<[Int: UpstreamProbe.Report]>([:])
    private let asking = Mutex<Task<Void, Never>?>(nil)

    /// Starts the requests.
    init(_ upstreams: [UpstreamConfiguration]) {
        self.upstreams = upstreams
        if upstreams.isEmpty { return }
        let task = Task { await ask() }
        asking.withLock { $0 = task }
    }

    private func ask() async {
        let quiet = Logger(label: "interject") { _ in StandardErrorLog(logLevel: .critical, format: .text) }
        guard let group = try? EventLoopGroup(count: 1, logger: quiet) else { return }
        defer { group.shutDown() }
        await withTaskGroup(of: Void.self) { tasks in
            for (index, upstream) in upstreams.enumerated() {
                tasks.addTask {
                    let report = await UpstreamProbe.check(upstream, on: group.loops[0], timeout: Self.timeout)
                    self.reports.withLock { $0[index] = report }
                }
            }
        }
    }

    /// The first available model, as far as known: a name from the configuration, or one of the upstream's.
    var firstModel: String? {
        let known = reports.withLock { $0 }
        for (index, upstream) in upstreams.enumerated() {
            let named = upstream.modelNames.keys.min() ?? upstream.models?.first { $0.closeness == .name }?.text
            if let model = named ?? known[index]?.models.first(where: { upstream.closeness(to: $0) != nil }) { return model }
        }
        return nil
    }

    /// Waits for all answers, and returns a line for each upstream that would not answer a client either.
    func warnings() async -> [String] {
        await asking.withLock { $0 }?.value
        let known = reports.withLock { $0 }
        return upstreams.enumerated().compactMap { index, upstream in
            known[index].flatMap { Self.warning(of: $0, upstream) }
        }
    }

    static func warning(of report: UpstreamProbe.Report, _ upstream: UpstreamConfiguration) -> String? {
        if report.isServing { return nil }
        var problem = report.error ?? "no answer"
        for noise in ["\(upstream.authority): ", "\(upstream.authority) "] where problem.hasPrefix(noise) {
            problem.removeFirst(noise.count)
        }
        if problem.hasSuffix(".") { problem.removeLast() }
        return "\(upstream.baseURL) \(report.isReachable ? problem : "does not answer: \(problem)") (see interject doctor)"
    }
}

import Logging
import Network
import Synchronization
import Upstreams

/// Asks the upstreams for their models while the server starts, which waits for no answer.
final class StartProbe: Sendable {
    /// Time that an upstream has to answer.
    static let timeout = Duration.seconds(5)

    private let upstreams: [UpstreamConfiguration]
    /// What is known so far, by position.
    private let reports = Mutex<[Int: UpstreamProbe.Report]>([:])
    private let asking = Mutex<Task<Void, Never>?>(nil)

    /// Begins to ask.
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

    /// The first model that can be asked for, as far as that is known now: a name that the operator gave, or one of the upstream's.
    var firstModel: String? {
        let known = reports.withLock { $0 }
        for (index, upstream) in upstreams.enumerated() {
            let named = upstream.modelNames.keys.min() ?? upstream.models?.first { $0.closeness == .name }?.text
            if let model = named ?? known[index]?.models.first(where: { upstream.closeness(to: $0) != nil }) { return model }
        }
        return nil
    }

    /// A line for each upstream that would not answer a person either, once all were asked.
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

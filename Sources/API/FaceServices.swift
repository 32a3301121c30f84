package import Hosting
package import Jobs
package import Network
package import Runners
package import Upstreams

/// What the process has for single faces, and no other call needs.
package struct FaceServices: Sendable {
    /// Files and batches; nil where nothing is stored.
    package let jobs: JobServices?
    package let webhooks: Webhooks
    package let usage: UsageLedger
    /// Where runners get their work.
    package let runners: RunnerBoard
    /// The model that runners answer for; nil: none.
    package let runnerModel: String?
    package let upstreams: UpstreamRouter
    package let metrics: MetricsSources

    package init(
        jobs: JobServices?, webhooks: Webhooks, usage: UsageLedger, runners: RunnerBoard, runnerModel: String?,
        upstreams: UpstreamRouter, metrics: MetricsSources
    ) {
        self.jobs = jobs
        self.webhooks = webhooks
        self.usage = usage
        self.runners = runners
        self.runnerModel = runnerModel
        self.upstreams = upstreams
        self.metrics = metrics
    }

    /// - Throws: ``APIError`` 501 where nothing is stored.
    package func requireJobs() throws(APIError) -> JobServices {
        guard let jobs else { throw .nothingIsStored }
        return jobs
    }
}

/// What the metrics tell of, besides calls, sessions and the other services.
package struct MetricsSources: Sendable {
    package let gate: AcceptGate
    package let budget: MemoryBudget
    /// nil: no TLS.
    package let tls: TLSServerContext?
    /// In the order of the event loops.
    package let upstreamCounters: [LoopBound<UpstreamCounters>]

    package init(
        gate: AcceptGate, budget: MemoryBudget, tls: TLSServerContext?, upstreamCounters: [LoopBound<UpstreamCounters>]
    ) {
        self.gate = gate
        self.budget = budget
        self.tls = tls
        self.upstreamCounters = upstreamCounters
    }
}

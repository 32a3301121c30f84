package import Hosting
package import Jobs
package import Network
package import Runners
package import Upstreams

/// The parts of the server that the operator's reports cover, besides calls, sessions and the store.
package struct OperatorSources: Sendable {
    let gate: AcceptGate
    let budget: MemoryBudget
    /// nil without TLS.
    let tls: TLSServerContext?
    let upstreams: UpstreamRouter
    /// In the order of the event loops.
    let upstreamCounters: [LoopBound<UpstreamCounters>]
    let webhooks: Webhooks
    let runners: RunnerBoard

    /// - Parameters:
    ///   - tls: nil without TLS.
    ///   - upstreamCounters: in the order of the event loops.
    package init(
        gate: AcceptGate, budget: MemoryBudget, tls: TLSServerContext?, upstreams: UpstreamRouter,
        upstreamCounters: [LoopBound<UpstreamCounters>], webhooks: Webhooks, runners: RunnerBoard
    ) {
        self.gate = gate
        self.budget = budget
        self.tls = tls
        self.upstreams = upstreams
        self.upstreamCounters = upstreamCounters
        self.webhooks = webhooks
        self.runners = runners
    }
}

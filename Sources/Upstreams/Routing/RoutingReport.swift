import Network

/// The state of all upstreams at one moment, for the operator: names and numbers, neither keys nor content.
public struct RoutingReport: Sendable {
    /// The state of one upstream.
    public struct Upstream: Sendable {
        public let configuration: UpstreamConfiguration
        /// `closed`, `open` or `half_open`.
        public let state: String
        /// Time until an open breaker admits a trial.
        public let opensFor: Duration?
        /// Time until the end of a pause that the upstream asked for (429, 503).
        public let restsFor: Duration?
        /// Number of consecutive failures.
        public let consecutiveFailures: Int
        /// Number of requests in progress.
        public let inFlight: Int
        /// Number of completed requests, by outcome.
        public let outcomes: [String: UInt64]
        /// Number of transitions of the breaker, by new state.
        public let transitions: [String: UInt64]
    }

    /// The upstreams in the order of the configuration.
    public let upstreams: [Upstream]
    /// Number of requests in the queue.
    public let waiting: Int
    /// Number of queued requests (`begun`), by outcome: `granted`, `refused`, `cancelled`. `queue_full`: refused without being
    /// queued.
    public let waits: [String: UInt64]

    init(_ table: RouteTable, now: Instant) {
        upstreams = table.members.map { member in
            var breaker = member.breaker
            breaker.refresh(now: now)
            var opensFor: Duration?
            if case .open(let until) = breaker.state { opensFor = until - now }
            return Upstream(
                configuration: member.configuration, state: breaker.state.name, opensFor: opensFor, restsFor: member.rest(now),
                consecutiveFailures: breaker.consecutiveFailures, inFlight: member.inFlight, outcomes: member.outcomes,
                transitions: member.transitions)
        }
        waiting = table.waitingCount
        waits = [
            "granted": table.waits.granted, "refused": table.waits.refused, "cancelled": table.waits.cancelled,
            "queue_full": table.waits.queueFull,
        ]
    }
}

import Network

/// How all upstreams are at one moment, for the operator: names and numbers, no key and no content.
public struct RoutingReport: Sendable {
    public struct Upstream: Sendable {
        public let configuration: UpstreamConfiguration
        /// `closed`, `open` or `half_open`.
        public let state: String
        /// Until an open breaker lets a request try.
        public let opensFor: Duration?
        /// Until it may be asked again, because it said so (429, 503).
        public let restsFor: Duration?
        public let consecutiveFailures: Int
        public let inFlight: Int
        /// Requests that are over, by outcome.
        public let outcomes: [String: UInt64]
        /// Changes of state, by the state it came to.
        public let transitions: [String: UInt64]
    }

    public let upstreams: [Upstream]
    public let waiting: Int
    /// Waits that began, and how they ended: `granted`, `refused`, `cancelled`; `queue_full`: none began.
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

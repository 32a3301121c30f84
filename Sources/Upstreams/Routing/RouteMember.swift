package import Network

/// The router's state of one upstream.
package struct RouteMember: Sendable {
    /// When another request fits within the limits.
    enum Room {
        case now
        case at(Instant)
        /// Once a request ends.
        case later
    }

    /// A transition of the circuit breaker.
    package struct Change: Sendable, Equatable {
        package let upstream: String
        package let from: String
        package let to: String
    }

    package let configuration: UpstreamConfiguration
    package var breaker: CircuitBreaker
    /// Paces requests; nil without a limit.
    package var requests: TokenBucket?
    /// Paces tokens; nil without a limit.
    package var tokens: TokenBucket?
    /// Number of requests in progress.
    package var inFlight = 0
    /// Credit in the weighted round robin; see ``RouteTable``.
    var credit = 0
    private var restsUntil: Instant
    /// Number of completed requests, by outcome.
    package var outcomes: [String: UInt64] = [:]
    /// Number of transitions of the breaker, by new state.
    package var transitions: [String: UInt64] = [:]

    init(_ configuration: UpstreamConfiguration, breaker: BreakerOptions, now: Instant) {
        self.configuration = configuration
        self.breaker = CircuitBreaker(breaker)
        requests = configuration.limit.requestsPerMinute.map { TokenBucket(pacedPerMinute: $0, now: now) }
        tokens = configuration.limit.tokensPerMinute.map { TokenBucket(pacedPerMinute: $0, now: now) }
        restsUntil = now
    }

    mutating func rest(until time: Instant) { restsUntil = max(restsUntil, time) }

    /// The rest of the pause that the upstream asked for; nil without one.
    package func rest(_ now: Instant) -> Duration? { restsUntil > now ? restsUntil - now : nil }

    func isHealthy(_ now: Instant) -> Bool { breaker.admits && restsUntil <= now }
    func onlyRests(_ now: Instant) -> Bool { breaker.admits && restsUntil > now }

    /// When requests may pass again; a trial in progress may end at any time.
    func healthyAt(_ now: Instant) -> Instant {
        if case .open(let until) = breaker.state { max(until, restsUntil) } else { max(restsUntil, now) }
    }

    mutating func room(for units: Int, now: Instant) -> Room {
        if let limit = configuration.limit.concurrentRequests, inFlight >= limit { return .later }
        let wait = max(requests?.wait(for: 1, now: now) ?? .zero, tokens?.wait(for: Double(units), now: now) ?? .zero)
        return wait > .zero ? .at(now + wait) : .now
    }
}

extension TokenBucket {
    /// Paces requests below an upstream's limit, so that the upstream need not reject any.
    ///
    /// A tenth of the limit may be spent at once, the rest evenly. Together they never exceed the limit in any 60 seconds, whereas
    /// a bucket of a full minute's worth would admit twice the limit in the first minute.
    package init(pacedPerMinute limit: Int, now: Instant) {
        let limit = max(1, limit)
        let capacity = max(1, limit / 10)
        // In any minute, excluding its end: capacity + 60 × rate − 1 = limit.
        self.init(
            capacity: Double(capacity), ratePerSecond: Double(limit - capacity + 1) / 60, maxDebt: .seconds(600), now: now)
    }
}

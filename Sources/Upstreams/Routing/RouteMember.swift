package import Network

/// What the router knows of one upstream.
package struct RouteMember: Sendable {
    /// Whether one more request fits in its limits.
    enum Room {
        case now
        case at(Instant)
        /// When a request ends.
        case later
    }

    /// A change of its breaker's state.
    package struct Change: Sendable, Equatable {
        package let upstream: String
        package let from: String
        package let to: String
    }

    package let configuration: UpstreamConfiguration
    package var breaker: CircuitBreaker
    package var requests: TokenBucket?
    package var tokens: TokenBucket?
    package var inFlight = 0
    /// In round robin; see ``RouteTable``.
    var turn = 0
    private var restsUntil: Instant
    /// Requests that are over, by outcome.
    package var outcomes: [String: UInt64] = [:]
    /// Changes of the breaker, by the state that it came to.
    package var transitions: [String: UInt64] = [:]

    init(_ configuration: UpstreamConfiguration, breaker: BreakerOptions, now: Instant) {
        self.configuration = configuration
        self.breaker = CircuitBreaker(breaker)
        requests = configuration.limit.requestsPerMinute.map { TokenBucket(pacedPerMinute: $0, now: now) }
        tokens = configuration.limit.tokensPerMinute.map { TokenBucket(pacedPerMinute: $0, now: now) }
        restsUntil = now
    }

    mutating func rest(until time: Instant) { restsUntil = max(restsUntil, time) }

    /// How long it is to be left alone because it asked for that.
    package func rest(_ now: Instant) -> Duration? { restsUntil > now ? restsUntil - now : nil }

    func isHealthy(_ now: Instant) -> Bool { breaker.admits && restsUntil <= now }
    func onlyRests(_ now: Instant) -> Bool { breaker.admits && restsUntil > now }

    /// When it may be asked again; of a trial under way nobody knows.
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
    /// What is sent to an upstream's limit, so that the upstream need not refuse any.
    ///
    /// A tenth of the limit may go at once, the rest evenly. Both together never exceed the limit, in whatever minute it is counted: a
    /// full bucket of a whole minute's worth would let twice the limit pass in the first minute.
    package init(pacedPerMinute limit: Int, now: Instant) {
        let limit = max(1, limit)
        let capacity = max(1, limit / 10)
        // Over a minute, short of its end: capacity + 60 × rate − 1 = limit.
        self.init(
            capacity: Double(capacity), ratePerSecond: Double(limit - capacity + 1) / 60, maxDebt: .seconds(600), now: now)
    }
}

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
    package var requests: RateBucket?
    package var tokens: RateBucket?
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
        requests = configuration.limit.requestsPerMinute.map { RateBucket(perMinute: $0, now: now) }
        tokens = configuration.limit.tokensPerMinute.map { RateBucket(perMinute: $0, now: now) }
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
        let request = requests?.time(for: 1, now: now)
        let token = tokens?.time(for: units, now: now)
        guard let later = [request, token].compactMap(\.self).max() else { return .now }
        return .at(later)
    }
}

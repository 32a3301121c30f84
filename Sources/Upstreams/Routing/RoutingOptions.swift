/// When a failing upstream is excluded from requests.
public struct BreakerOptions: Sendable, Hashable {
    /// Consecutive failures that open the breaker, from 1.
    public var maxConsecutiveFailures = 5
    /// Failure ratio of the last 20 requests that opens the breaker, once there were 10: 0 ... 1.
    public var maxFailureRatio = 0.5
    /// First exclusion, ±25 %; doubles with every further one.
    public var openDuration = Duration.seconds(5)
    /// Longest exclusion, ±25 %.
    public var maxOpenDuration = Duration.seconds(120)

    public init() {}
}

/// How requests are distributed over the upstreams.
public struct RoutingOptions: Sendable, Hashable {
    /// The choice among equally suitable upstreams.
    public enum Balance: String, Sendable, CaseIterable {
        /// In proportion to their weights.
        case weighted
        /// The upstream with the fewest requests in flight relative to its weight.
        case leastBusy = "least_busy"
    }

    /// Most upstreams of a server.
    public static let maxUpstreams = UpstreamSet.maxCount

    /// How an upstream is chosen among equally suitable ones.
    public var balance = Balance.weighted
    /// Most attempts of one request, at most two of them at any upstream. nil: three, or the number of upstreams that serve the
    /// model if that is larger.
    public var maxAttempts: Int?
    /// Most requests that may wait because every upstream is at its limit, for all upstreams together.
    public var maxWaiting = 1000
    /// Longest wait before a request is refused with 429.
    public var waitTimeout = Duration.seconds(10)
    /// When a failing upstream is excluded.
    public var breaker = BreakerOptions()
    /// Interval at which each upstream's list of models is requested to check its health; nil: never.
    public var probeInterval: Duration?

    public init() {}
}

/// Limits on the requests to one upstream; nil: unlimited.
public struct UpstreamLimit: Sendable, Hashable {
    /// Most requests in progress.
    public var concurrentRequests: Int?
    /// Most requests in any 60 seconds.
    public var requestsPerMinute: Int?
    /// Tokens of prompt and answer together.
    public var tokensPerMinute: Int?

    public init(concurrentRequests: Int? = nil, requestsPerMinute: Int? = nil, tokensPerMinute: Int? = nil) {
        self.concurrentRequests = concurrentRequests
        self.requestsPerMinute = requestsPerMinute
        self.tokensPerMinute = tokensPerMinute
    }
}

/// When an upstream is left alone for its failures.
public struct BreakerOptions: Sendable, Hashable {
    /// Failures in a row, from 1.
    public var maxConsecutiveFailures = 5
    /// Of the last 20 requests, once there were 10: 0 ... 1.
    public var maxFailureRatio = 0.5
    /// How long it is left alone the first time, give or take a quarter; doubles with each further time.
    public var openDuration = Duration.seconds(5)
    public var maxOpenDuration = Duration.seconds(120)

    public init() {}
}

/// How requests are spread over the upstreams.
public struct RoutingOptions: Sendable, Hashable {
    /// Who is next among upstreams that are equally good.
    public enum Balance: String, Sendable, CaseIterable {
        /// Each gets its weight's share of the requests.
        case weighted
        /// The upstream with the fewest requests in flight relative to its weight.
        case leastBusy = "least_busy"
    }

    /// Upstreams that a server may have.
    public static let maxUpstreams = UpstreamSet.maxCount

    public var balance = Balance.weighted
    /// Attempts of one request in all, of which no upstream gets more than two; nil: three, or as many as upstreams have the model
    /// if that is more.
    public var maxAttempts: Int?
    /// Requests that may wait because every upstream is at its limit, in all.
    public var maxWaiting = 1000
    /// How long one waits before it is refused with 429.
    public var waitTimeout = Duration.seconds(10)
    public var breaker = BreakerOptions()
    /// How often each upstream is asked for its models, to learn of its health; nil: never.
    public var probeInterval: Duration?

    public init() {}
}

/// Limits of requests to one upstream; nil: none.
public struct UpstreamLimit: Sendable, Hashable {
    public var concurrentRequests: Int?
    public var requestsPerMinute: Int?
    /// Of the prompt and the answer together.
    public var tokensPerMinute: Int?

    public init(concurrentRequests: Int? = nil, requestsPerMinute: Int? = nil, tokensPerMinute: Int? = nil) {
        self.concurrentRequests = concurrentRequests
        self.requestsPerMinute = requestsPerMinute
        self.tokensPerMinute = tokensPerMinute
    }
}

import Bytes
import Network

/// What a key may use in a minute and at a time; nil for no limit.
public struct RateLimits: Sendable, Hashable {
    /// Generations begun.
    public var requestsPerMinute: Int?
    /// Tokens of prompts and answers together.
    public var tokensPerMinute: Int?
    /// Generations that run or wait.
    public var maxConcurrent: Int?

    /// The given limits; nil for none.
    public init(requestsPerMinute: Int? = nil, tokensPerMinute: Int? = nil, maxConcurrent: Int? = nil) {
        self.requestsPerMinute = requestsPerMinute
        self.tokensPerMinute = tokensPerMinute
        self.maxConcurrent = maxConcurrent
    }

    /// These limits; the others where nil.
    func or(_ others: RateLimits) -> RateLimits {
        RateLimits(
            requestsPerMinute: requestsPerMinute ?? others.requestsPerMinute,
            tokensPerMinute: tokensPerMinute ?? others.tokensPerMinute,
            maxConcurrent: maxConcurrent ?? others.maxConcurrent)
    }

    /// Whether nothing is limited.
    package var isEmpty: Bool { self == RateLimits() }
}

extension TokenBucket {
    /// A key's budget: a minute's worth as a burst, refilled over each minute.
    init(perMinute limit: Int, now: Instant) {
        self.init(capacity: Double(limit), ratePerSecond: Double(limit) / 60, maxDebt: .seconds(3600), now: now)
    }
}

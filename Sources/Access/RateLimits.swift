import Bytes
import Network

/// What a key may use in a minute and at a time; nil: as much as it likes.
public struct RateLimits: Sendable, Hashable {
    /// Generations begun.
    public var requestsPerMinute: Int?
    /// Tokens, of prompts and answers together.
    public var tokensPerMinute: Int?
    /// Generations that run or wait their turn.
    public var maxConcurrent: Int?

    public init(requestsPerMinute: Int? = nil, tokensPerMinute: Int? = nil, maxConcurrent: Int? = nil) {
        self.requestsPerMinute = requestsPerMinute
        self.tokensPerMinute = tokensPerMinute
        self.maxConcurrent = maxConcurrent
    }

    /// These where they say something, else the others.
    func or(_ others: RateLimits) -> RateLimits {
        RateLimits(
            requestsPerMinute: requestsPerMinute ?? others.requestsPerMinute,
            tokensPerMinute: tokensPerMinute ?? others.tokensPerMinute,
            maxConcurrent: maxConcurrent ?? others.maxConcurrent)
    }

    package var isEmpty: Bool { self == RateLimits() }
}

extension TokenBucket {
    /// A key's budget: a minute's worth at once, and as much again in each minute.
    init(perMinute limit: Int, now: Instant) {
        self.init(capacity: Double(limit), ratePerSecond: Double(limit) / 60, maxDebt: .seconds(3600), now: now)
    }
}

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

    var isEmpty: Bool { self == RateLimits() }
}

extension Duration {
    /// As OpenAI's `x-ratelimit-reset-*` has it, which is Go's form: `0s`, `17ms`, `1.5s`, `6m0s`, `1h0m0s`.
    var goText: String {
        let milliseconds = Int(saturating: (Double(nanoseconds) / 1e6).rounded(.up))
        if milliseconds <= 0 { return "0s" }
        if milliseconds < 1000 { return "\(milliseconds)ms" }
        let (hours, minutes) = (milliseconds / 3_600_000, milliseconds / 60_000 % 60)
        let (seconds, rest) = (milliseconds / 1000 % 60, milliseconds % 1000)
        var fraction = String(rest + 1000).dropFirst()
        while fraction.last == "0" { fraction.removeLast() }
        let tail = "\(seconds)" + (fraction.isEmpty ? "" : "." + fraction) + "s"
        if hours > 0 { return "\(hours)h\(minutes)m" + tail }
        return minutes > 0 ? "\(minutes)m" + tail : tail
    }
}

extension TokenBucket {
    /// A key's budget: a minute's worth at once, and as much again in each minute.
    init(perMinute limit: Int, now: Instant) {
        self.init(capacity: Double(limit), ratePerSecond: Double(limit) / 60, maxDebt: .seconds(3600), now: now)
    }
}

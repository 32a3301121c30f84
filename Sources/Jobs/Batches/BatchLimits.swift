import Bytes

/// Limits of batches, and their share of the server.
public struct BatchLimits: Sendable, Hashable {
    /// Requests that run at a time over all batches; each running interactive answer takes one of these slots, down to one.
    public var concurrency = 16
    /// Requests that run at a time per batch.
    public var concurrencyPerBatch = 8
    /// Attempts of a request whose upstream fails; rate limits and unreachable upstreams are retried until the batch's end.
    public var maxAttempts = 5
    /// Most requests in one batch.
    public var maxLines = 50_000
    /// Most bytes of one line of an input file.
    public var maxLineBytes = 8 << 20
    public var maxCustomIDBytes = 512
    /// Most unfinished batches per owner.
    public var maxUnfinishedPerOwner = 100
    /// Batches open at a time; the others wait.
    public var maxOpen = 16
    /// Most errors of an input file to report.
    public var maxFaults = 100
    /// How long a batch is stored after its end. Its files expire separately.
    public var retention = Duration.seconds(30 * 86_400)
    /// Delays before a retry: the first, and the longest.
    public var firstRetryDelay = Duration.seconds(1)
    public var maxRetryDelay = Duration.seconds(60)

    public init() {}

    /// Delay before the next attempt.
    /// - Parameters:
    ///   - attempt: the failed attempt, from 1.
    ///   - jitter: 0 ..< 1.
    func delay(afterAttempt attempt: Int, askedSeconds: Double?, jitter: Double) -> Duration {
        var delay = firstRetryDelay
        for _ in 1..<max(attempt, 1) where delay < maxRetryDelay { delay *= 2 }
        delay = min(delay, maxRetryDelay) * (0.75 + 0.25 * jitter)
        // At most an hour, whatever the upstream asks for.
        guard let askedSeconds else { return delay }
        return max(delay, Duration(saturatingSeconds: min(askedSeconds, 3600)))
    }
}

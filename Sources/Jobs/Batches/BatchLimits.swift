import Bytes

/// Limits of batches, and their share of the server.
public struct BatchLimits: Sendable, Hashable {
    /// Requests in progress over all batches. Each running interactive answer takes one of these slots, down to one.
    public var concurrency = 16
    /// Requests in progress per batch.
    public var concurrencyPerBatch = 8
    /// Attempts of a request when its upstream fails. Rate limits and unreachable upstreams are retried until the end of the batch.
    public var maxAttempts = 5
    /// Most requests in one batch.
    public var maxLines = 50_000
    /// Most bytes of one line of an input file.
    public var maxLineBytes = 8 << 20
    /// Most bytes of a request's `custom_id`.
    public var maxCustomIDBytes = 512
    /// Most unfinished batches per owner.
    public var maxUnfinishedPerOwner = 100
    /// Batches open at once; others wait.
    public var maxOpen = 16
    /// Most reported errors of an input file.
    public var maxFaults = 100
    /// Retention of an ended batch. Its files expire separately.
    public var retention = Duration.seconds(30 * 86_400)
    /// Delay before the first retry; doubles with each further one.
    public var firstRetryDelay = Duration.seconds(1)
    /// Longest of these delays.
    public var maxRetryDelay = Duration.seconds(60)

    public init() {}

    /// Delay before the next attempt.
    /// - Parameters:
    ///   - attempt: the failed attempt, from 1.
    ///   - askedSeconds: delay requested by the upstream, in seconds.
    ///   - jitter: 0 ..< 1.
    func delay(afterAttempt attempt: Int, askedSeconds: Double?, jitter: Double) -> Duration {
        var delay = firstRetryDelay
        for _ in 1..<max(attempt, 1) where delay < maxRetryDelay { delay *= 2 }
        delay = min(delay, maxRetryDelay) * (0.75 + 0.25 * jitter)
        // Limited to an hour, whatever the upstream asks for.
        guard let askedSeconds else { return delay }
        return max(delay, Duration(saturatingSeconds: min(askedSeconds, 3600)))
    }
}

import Bytes

/// What batches may ask for, and how much of the server they get.
public struct BatchLimits: Sendable, Hashable {
    /// Requests that run at a time, of all batches; each running answer for somebody who waits takes one of these places, to one.
    public var concurrency = 16
    /// Requests of one batch that run at a time.
    public var concurrencyPerBatch = 8
    /// How often a request is tried whose upstream fails; one that asks to slow down, or is not there, is tried until the batch's
    /// time is over.
    public var maxAttempts = 5
    /// Requests in one batch.
    public var maxLines = 50_000
    /// Bytes of one line of an input file.
    public var maxLineBytes = 8 << 20
    public var maxCustomIDBytes = 512
    /// Unfinished batches of one owner.
    public var maxUnfinishedPerOwner = 100
    /// Batches that are worked on at a time; the others wait for their turn.
    public var maxOpen = 16
    /// Faults of an input file that are told.
    public var maxFaults = 100
    /// How long a batch is kept after its end. Its files have times of their own.
    public var retention = Duration.seconds(30 * 86_400)
    /// Waits before a request is tried again: the first, and the longest.
    public var firstRetryDelay = Duration.seconds(1)
    public var maxRetryDelay = Duration.seconds(60)

    public init() {}

    /// How long to wait before the next attempt.
    /// - Parameters:
    ///   - attempt: the one that failed, from 1.
    ///   - jitter: 0 ..< 1.
    func delay(afterAttempt attempt: Int, askedSeconds: Double?, jitter: Double) -> Duration {
        var delay = firstRetryDelay
        for _ in 1..<max(attempt, 1) where delay < maxRetryDelay { delay *= 2 }
        delay = min(delay, maxRetryDelay) * (0.75 + 0.25 * jitter)
        // Not longer than an hour, whatever an upstream says: the batch has its own end.
        guard let askedSeconds else { return delay }
        return max(delay, Duration(saturatingSeconds: min(askedSeconds, 3600)))
    }
}

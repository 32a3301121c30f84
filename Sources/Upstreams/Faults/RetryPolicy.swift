/// Whether a request is retried before its first token, and after which delay.
package enum RetryPolicy {
    /// Seconds before the second attempt; doubles with every further one.
    package static let firstDelaySeconds = 0.25
    /// Longest of these delays, in seconds.
    package static let maxDelaySeconds = 4.0
    /// A longer `Retry-After`, in seconds, is passed on to the client instead.
    package static let maxRetryAfterSeconds = 10.0

    /// Seconds before the next attempt; nil if there is none.
    /// - Parameters:
    ///   - attempt: the failed attempt, from 1.
    ///   - jitter: 0 ..< 1, so that many clients do not return at once.
    package static func delay(after fault: UpstreamFault, attempt: Int, maxAttempts: Int, jitter: Double) -> Double? {
        guard attempt < maxAttempts, fault.isRetryable else { return nil }
        if let asked = fault.retryAfterSeconds {
            return asked <= maxRetryAfterSeconds ? asked + 0.1 * jitter : nil
        }
        var delay = firstDelaySeconds
        for _ in 1..<max(attempt, 1) { delay = min(delay * 2, maxDelaySeconds) }
        return delay * (0.75 + 0.25 * jitter)
    }
}

/// When a request is tried again before its first token, and how long to wait.
package enum RetryPolicy {
    /// Seconds before the second attempt; doubles with each further one.
    package static let firstDelaySeconds = 0.25
    package static let maxDelaySeconds = 4.0
    /// A longer `Retry-After` is for the client to wait, not for us.
    package static let maxRetryAfterSeconds = 10.0

    /// Seconds to wait before the next attempt; nil when there is none.
    /// - Parameters:
    ///   - attempt: the one that failed, from 1.
    ///   - jitter: 0 ..< 1, so that many clients do not come back at once.
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

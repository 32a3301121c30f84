/// The retry schedule of failed deliveries.
package struct WebhookSchedule: Sendable {
    /// Delay in seconds after each failed attempt: about 24 hours in total, so that a receiver that fails at night can be repaired
    /// by day.
    static let delays: [Double] = [5, 30, 120, 600, 1800, 3600, 7200, 14_400, 28_800, 28_800]
    /// Longest delay that a receiver can ask for, in seconds.
    static let maxDelay = 28_800.0
    /// Relative jitter in both directions, so that deliveries that failed together are not retried together.
    static let jitter = 0.2

    /// Factor applied to ``delays``.
    private let factor: Double

    /// - Parameter base: the first delay; the others scale in proportion.
    package init(base: Duration = .seconds(5)) {
        factor = Double(base.components.seconds) + Double(base.components.attoseconds) / 1e18
    }

    /// Attempts in one round.
    package static let attemptCount = delays.count + 1

    /// Delay after a failed attempt, in seconds; nil after the last one.
    /// - Parameters:
    ///   - attempt: the failed attempt, from 1.
    ///   - retryAfter: delay requested by the receiver, in seconds.
    ///   - random: 0 ..< 1.
    package func delay(afterAttempt attempt: Int, retryAfter: Double?, random: Double) -> Double? {
        guard attempt >= 1, attempt <= Self.delays.count else { return nil }
        let planned = Self.delays[attempt - 1] * factor / Self.delays[0]
        let delay = planned * (1 - Self.jitter + 2 * Self.jitter * random)
        guard let retryAfter, retryAfter > delay else { return delay }
        return min(retryAfter, Self.maxDelay)
    }

    /// Duration of all attempts of one delivery, with jitter, in seconds.
    package var totalSeconds: Double { Self.delays.reduce(0, +) * factor / Self.delays[0] * (1 + Self.jitter) }
}

/// When a delivery that failed is tried again.
package struct WebhookSchedule: Sendable {
    /// Seconds after each attempt that failed: some 24 hours in all, since an operator who is called at night repairs by day.
    static let delays: [Double] = [5, 30, 120, 600, 1800, 3600, 7200, 14_400, 28_800, 28_800]
    /// A receiver that asks for more time than this waits for no one.
    static let maxDelay = 28_800.0
    /// How far the jitter goes to both sides, so that receivers which failed together are not asked together.
    static let jitter = 0.2

    /// What the delays are multiplied with.
    private let factor: Double

    /// - Parameter base: the first delay; the others keep their proportion to it.
    package init(base: Duration = .seconds(5)) {
        factor = Double(base.components.seconds) + Double(base.components.attoseconds) / 1e18
    }

    package static let attemptCount = delays.count + 1

    /// Seconds to wait after an attempt that failed; nil: it was the last.
    /// - Parameters:
    ///   - attempt: the one that failed, from 1.
    ///   - retryAfter: seconds that the receiver asked for.
    ///   - random: 0 ..< 1.
    package func delay(afterAttempt attempt: Int, retryAfter: Double?, random: Double) -> Double? {
        guard attempt >= 1, attempt <= Self.delays.count else { return nil }
        let planned = Self.delays[attempt - 1] * factor / Self.delays[0]
        let delay = planned * (1 - Self.jitter + 2 * Self.jitter * random)
        guard let retryAfter, retryAfter > delay else { return delay }
        return min(retryAfter, Self.maxDelay)
    }

    /// How long all attempts of one delivery take together, jitter included: nothing older is tried.
    package var totalSeconds: Double { Self.delays.reduce(0, +) * factor / Self.delays[0] * (1 + Self.jitter) }
}

import Bytes

/// A token bucket. Has no clock: callers pass the time.
///
/// The level may be negative, because the cost of an answer is known only at its end; the debt must be waited off.
public struct TokenBucket: Sendable {
    /// Level when full.
    public let capacity: Double
    private let ratePerSecond: Double
    private let maxDebt: Double
    /// Current level. Negative if something cost more than estimated.
    public private(set) var level: Double
    private var filledAt: Instant

    /// Starts full.
    /// - Parameters:
    ///   - capacity: above 0.
    ///   - ratePerSecond: refill rate, above 0.
    ///   - maxDebt: longest time to pay off a debt, so that an absurd cost does not block a budget for years.
    public init(capacity: Double, ratePerSecond: Double, maxDebt: Duration, now: Instant) {
        self.capacity = capacity
        self.ratePerSecond = ratePerSecond
        self.maxDebt = ratePerSecond * maxDebt.seconds
        level = capacity
        filledAt = now
    }

    /// Delay until `amount` can be taken; zero if now. More than the capacity requires a full bucket, and leaves a debt.
    public mutating func wait(for amount: Double, now: Instant) -> Duration {
        fill(now)
        return duration(of: min(amount, capacity) - level)
    }

    public mutating func untilFull(now: Instant) -> Duration {
        fill(now)
        return duration(of: capacity - level)
    }

    /// The whole amount that can be taken now.
    public mutating func remaining(now: Instant) -> Int {
        fill(now)
        // Rounding errors must not turn 5 into 4.
        return max(0, Int(saturating: (level + 1e-6).rounded(.down)))
    }

    /// - Parameter amount: negative to return some.
    public mutating func take(_ amount: Double, now: Instant) {
        fill(now)
        level = max(-maxDebt, min(capacity, level - amount))
    }

    private mutating func fill(_ now: Instant) {
        guard now > filledAt else { return }
        level = min(capacity, level + (now - filledAt).seconds * ratePerSecond)
        filledAt = now
    }

    private func duration(of missing: Double) -> Duration {
        // A billionth is rounding of the clock, not a shortage.
        missing <= 1e-9 ? .zero : .nanoseconds(Int64(saturating: (missing / ratePerSecond * 1e9).rounded(.up)))
    }
}

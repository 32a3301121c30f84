import Bytes

/// A budget that fills up steadily, without a clock of its own.
///
/// What was taken too much must be waited off: the level may be below zero, since what an answer costs is known when it ends.
public struct TokenBucket: Sendable {
    /// What it holds when full.
    public let capacity: Double
    private let ratePerSecond: Double
    private let maxDebt: Double
    /// What can be taken now. Negative when something cost more than was thought.
    public private(set) var level: Double
    private var filledAt: Instant

    /// A full one.
    /// - Parameters:
    ///   - capacity: what it holds, above 0.
    ///   - ratePerSecond: what flows in, above 0.
    ///   - maxDebt: how long it takes at most until a debt is paid: a cost that no answer can have had does not close a budget for
    ///     years.
    public init(capacity: Double, ratePerSecond: Double, maxDebt: Duration, now: Instant) {
        self.capacity = capacity
        self.ratePerSecond = ratePerSecond
        self.maxDebt = ratePerSecond * maxDebt.seconds
        level = capacity
        filledAt = now
    }

    /// How long until so much can be taken; zero: at once. More than it holds needs a full one, and leaves a debt.
    public mutating func wait(for amount: Double, now: Instant) -> Duration {
        fill(now)
        return duration(of: min(amount, capacity) - level)
    }

    public mutating func untilFull(now: Instant) -> Duration {
        fill(now)
        return duration(of: capacity - level)
    }

    /// What could be taken now, whole.
    public mutating func remaining(now: Instant) -> Int {
        fill(now)
        // Sums of fractions that are whole to a person.
        return max(0, Int(saturating: (level + 1e-6).rounded(.down)))
    }

    /// - Parameter amount: may be below 0, to give something back.
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
        // A billionth is the clock's rounding and not something that is missing.
        missing <= 1e-9 ? .zero : .nanoseconds(Int64(saturating: (missing / ratePerSecond * 1e9).rounded(.up)))
    }
}

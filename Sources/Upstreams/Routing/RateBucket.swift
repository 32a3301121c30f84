import Bytes
package import Network

/// Holds what is sent to a limit per minute, so that the upstream need not refuse any: a token bucket without a clock of its own.
///
/// A tenth of the limit may go at once, the rest evenly. Both together never exceed the limit, in whatever minute it is counted:
/// a full bucket of a whole minute's worth would let twice the limit pass in the first minute.
package struct RateBucket: Sendable {
    /// What can go at once, in units.
    package let capacity: Double
    private let ratePerSecond: Double
    /// What can be owed at most, in seconds of what flows in: usage that no answer can have had does not close an upstream for days.
    private static let maxDebtSeconds = 600.0
    /// Units that may go now. Negative when a request turned out larger than was thought.
    package private(set) var level: Double
    private var filledAt: Instant

    /// - Parameter limit: units per minute, at least 1.
    package init(perMinute limit: Int, now: Instant) {
        let limit = max(1, limit)
        let capacity = max(1, limit / 10)
        self.capacity = Double(capacity)
        // Over a minute, short of its end: capacity + 60 × rate − 1 = limit.
        ratePerSecond = Double(limit - capacity + 1) / 60
        level = Double(capacity)
        filledAt = now
    }

    /// When so many units can go; nil when they can now. More than the bucket holds need a full one, and leave a debt.
    package mutating func time(for units: Int, now: Instant) -> Instant? {
        fill(now)
        let missing = min(Double(units), capacity) - level
        // A billionth is the clock's rounding, not a request too many.
        return missing <= 1e-9 ? nil : now + Duration(saturatingSeconds: missing / ratePerSecond + 1e-6)
    }

    package mutating func take(_ units: Int) { level = max(level - Double(units), -ratePerSecond * Self.maxDebtSeconds) }

    /// What was taken by estimate was in truth so many.
    package mutating func correct(estimate: Int, actual: Int, now: Instant) {
        fill(now)
        level = max(min(capacity, level + Double(estimate) - Double(actual)), -ratePerSecond * Self.maxDebtSeconds)
    }

    private mutating func fill(_ now: Instant) {
        guard now > filledAt else { return }
        level = min(capacity, level + (now - filledAt).seconds * ratePerSecond)
        filledAt = now
    }
}

import Bytes
import Network

/// A budget that fills up steadily: so much at once, and as much again in each minute.
///
/// What was taken too much must be waited off: the level may be below zero, since what an answer costs is known when it ends.
struct TokenBucket: Sendable {
    /// What it holds when full; also what flows in each minute.
    let capacity: Double
    /// What can be owed at most, in minutes of what flows in: a runner or an upstream that tells of more than any answer can have
    /// cost does not lock its key for years.
    static let maxDebtMinutes = 60.0

    private var level: Double
    private var updated: Instant

    init(perMinute: Int, now: Instant) {
        capacity = Double(perMinute)
        level = capacity
        updated = now
    }

    private mutating func fill(_ now: Instant) {
        guard now > updated else { return }
        level = min(capacity, level + capacity * (now - updated).seconds / 60)
        updated = now
    }

    /// What could be taken now, whole.
    mutating func remaining(now: Instant) -> Int {
        fill(now)
        // Sums of fractions that are whole to a person.
        return max(0, Int(saturating: (level + 1e-6).rounded(.down)))
    }

    /// How long until so much can be taken; zero: at once.
    mutating func wait(for amount: Double, now: Instant) -> Duration {
        fill(now)
        return duration(of: min(amount, capacity) - level)
    }

    mutating func untilFull(now: Instant) -> Duration {
        fill(now)
        return duration(of: capacity - level)
    }

    mutating func take(_ amount: Double, now: Instant) {
        fill(now)
        level = max(-capacity * Self.maxDebtMinutes, min(capacity, level - amount))
    }

    private func duration(of missing: Double) -> Duration {
        guard missing > 1e-6, capacity > 0 else { return .zero }
        return .nanoseconds(Int64(saturating: (missing / capacity * 60e9).rounded(.up)))
    }
}

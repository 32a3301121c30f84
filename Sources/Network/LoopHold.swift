import Bytes

/// Finds how long one iteration of a loop computed: processor time and not the clock's, which counts whoever else the machine serves.
///
/// The thread's processor time is a system call. It is read at most a hundred times a second, and after an iteration that took long by
/// the clock: what came between the two readings but did not take long is subtracted.
struct LoopHold {
    /// By the clock, an iteration that may be worth a look.
    private static let leastNanoseconds: Int64 = 2_000_000
    private static let readingIntervalNanoseconds: Int64 = 10_000_000

    private var readAt: Int64 = .min
    private var reading = 0
    /// Clock time of iterations since the reading.
    private var sinceNanoseconds: Int64 = 0

    mutating func began(_ now: Instant) {
        guard now.nanoseconds.saturatingSubtracting(readAt) > Self.readingIntervalNanoseconds else { return }
        read(now)
    }

    /// - Returns: processor time of the iteration, if it may have been long.
    mutating func ended(began: Instant, now: Instant) -> Int? {
        let duration = (now - began).nanoseconds
        guard duration >= Self.leastNanoseconds else {
            sinceNanoseconds += duration
            return nil
        }
        let before = reading + Int(sinceNanoseconds)
        read(now)
        return min(max(reading - before, 0), Int(duration))
    }

    private mutating func read(_ now: Instant) {
        reading = SystemClock.threadNanoseconds
        readAt = now.nanoseconds
        sinceNanoseconds = 0
    }
}

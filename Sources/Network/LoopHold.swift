import Bytes

/// Measures the CPU time of a loop iteration. Wall-clock time would include other processes.
///
/// Reading the thread's CPU time is a system call, so it is done at most a hundred times a second, and after an iteration that took
/// long by the clock. The short iterations between two readings are subtracted.
struct LoopHold {
    /// Wall-clock duration from which an iteration is measured.
    private static let leastNanoseconds: Int64 = 2_000_000
    private static let readingIntervalNanoseconds: Int64 = 10_000_000

    private var readAt: Int64 = .min
    private var reading = 0
    /// Wall-clock time of iterations since the last reading.
    private var sinceNanoseconds: Int64 = 0

    mutating func began(_ now: Instant) {
        guard now.nanoseconds.saturatingSubtracting(readAt) > Self.readingIntervalNanoseconds else { return }
        read(now)
    }

    /// - Returns: CPU time of the iteration in nanoseconds, if it may have been long.
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

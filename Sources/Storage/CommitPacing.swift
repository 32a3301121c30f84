import Bytes

/// When the next commit may begin. What comes after a pause waits for nothing. Of many changes, each waits half of an interval on
/// average, and shares the price of a commit with all that came meanwhile.
struct CommitPacing {
    /// Nanoseconds from the beginning of a commit until the next one begins, at least.
    private(set) var interval = leastInterval
    /// When the last commit began, in nanoseconds of the monotonic clock.
    private var lastBegan: UInt64 = 0

    static let leastInterval: UInt64 = 3_000_000
    /// Bounds what a slow disk adds to the latency of an event, beyond its own.
    static let mostInterval: UInt64 = 8_000_000
    /// Commits of a busy server take this share of the time at most: each costs processor time in the kernel, most of all one that
    /// waits for the disk.
    private static let share: UInt64 = 8
    /// Changes in a commit from which on the server is busy.
    static let busyChangeCount = 16

    /// A commit has ended.
    /// - Parameters:
    ///   - changes: how many were in it.
    ///   - began: nanoseconds of the monotonic clock, as `ended`.
    mutating func committed(changes: Int, began: UInt64, ended: UInt64) {
        lastBegan = began
        let wanted = changes < Self.busyChangeCount ? 0 : ended.saturatingSubtracting(began).multipliedClamping(by: Self.share)
        interval = min(max(wanted, Self.leastInterval), Self.mostInterval)
    }

    /// Nanoseconds until the next commit may begin.
    func nanoseconds(from now: UInt64) -> UInt64 {
        interval.saturatingSubtracting(now.saturatingSubtracting(lastBegan))
    }
}

extension UInt64 {
    fileprivate func multipliedClamping(by factor: UInt64) -> UInt64 {
        let (product, overflows) = multipliedReportingOverflow(by: factor)
        return overflows ? .max : product
    }
}

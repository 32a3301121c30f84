import Bytes

/// Decides when the next commit may begin. A change that follows a pause is committed at once. Under load, a change waits half an
/// interval on average and shares the cost of the commit with all changes that arrive meanwhile.
struct CommitPacing {
    /// Minimum nanoseconds between the beginnings of two commits.
    private(set) var interval = leastInterval
    /// When the last commit began, in nanoseconds of the monotonic clock.
    private var lastBegan: UInt64 = 0

    static let leastInterval: UInt64 = 3_000_000
    /// Bounds the latency that a slow disk adds to an event beyond that of its own commit.
    static let mostInterval: UInt64 = 8_000_000
    /// A busy server spends at most one in `share` of its time on commits: each costs CPU time in the kernel, most of all one that
    /// waits for the disk.
    private static let share: UInt64 = 8
    /// Number of changes in a commit from which on the server counts as busy.
    static let busyChangeCount = 16

    /// Takes note of a commit that has ended.
    /// - Parameters:
    ///   - changes: number of changes in it.
    ///   - began: nanoseconds of the monotonic clock, like `ended`.
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

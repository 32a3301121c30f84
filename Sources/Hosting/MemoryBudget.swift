package import Network
import Synchronization

/// Memory that a server's loops use for clients: logs and conversations of sessions, buffered output, and incomplete requests and
/// messages.
///
/// Each loop reports its sum after large growth, at each sweep of its objects, and before it begins new work; so the total is
/// nearly current, and the byte path counts nothing.
package final class MemoryBudget: Sendable {
    /// The limit for all loops together, in bytes.
    package let limitBytes: Int
    private let held: Mutex<[Int]>

    /// A budget of `limitBytes` for `loopCount` loops.
    package init(limitBytes: Int, loopCount: Int) {
        self.limitBytes = limitBytes
        // number-safe: a loop for each processor
        held = Mutex(Array(repeating: 0, count: loopCount))
    }

    /// Replaces a loop's sum, in bytes.
    package func tell(_ byteCount: Int, loop index: Int) { held.withLock { $0[index] = byteCount } }

    /// Sum of all loops, in bytes.
    package var heldBytes: Int { held.withLock { $0.reduce(0, +) } }

    /// Whether new work must wait.
    package var isExceeded: Bool { heldBytes > limitBytes }
}

/// One loop's share of a ``MemoryBudget``: its objects, of every kind, and its connections' buffers. Loop-confined.
package final class LoopMemory {
    /// Bytes of growth that are reported at once.
    private static let reportingByteCount = 1 << 20

    private let loop: EventLoop
    private let budget: MemoryBudget
    /// Size of this loop's objects, in bytes.
    package private(set) var objectByteCount = 0
    private var reportedByteCount = 0

    /// The share of `loop` in `budget`.
    package init(loop: EventLoop, budget: MemoryBudget) {
        self.loop = loop
        self.budget = budget
    }

    /// The loop's objects have grown by `change` bytes, or shrunk if negative.
    package func grew(by change: Int) {
        objectByteCount += change
        // number-safe: both count bytes in memory
        if abs(objectByteCount - reportedByteCount) >= Self.reportingByteCount { report() }
    }

    /// Reports the loop's sum to the budget.
    package func report() {
        reportedByteCount = objectByteCount
        budget.tell(objectByteCount + loop.queuedOutputBytes + loop.heldInputBytes, loop: loop.index)
    }

    /// Whether the loops together use so much memory that no new work may begin.
    package func isBudgetExceeded() -> Bool {
        report()
        return budget.isExceeded
    }
}

package import Network
import Synchronization

/// Bytes that the loops of a server hold for clients together: logs and conversations of sessions, output that waits for slow
/// peers, and requests and messages that are not complete.
///
/// Each loop reports its sum when it grew by much, when it sweeps its objects, and when it is asked whether it may begin new work;
/// so the total is never far from the truth, and no byte is counted on its way.
package final class MemoryBudget: Sendable {
    package let limitBytes: Int
    private let held: Mutex<[Int]>

    package init(limitBytes: Int, loopCount: Int) {
        self.limitBytes = limitBytes
        // number-safe: a loop for each processor
        held = Mutex(Array(repeating: 0, count: loopCount))
    }

    package func tell(_ byteCount: Int, loop index: Int) { held.withLock { $0[index] = byteCount } }

    package var heldBytes: Int { held.withLock { $0.reduce(0, +) } }

    package var isExceeded: Bool { heldBytes > limitBytes }
}

/// One loop's share in a ``MemoryBudget``: its objects, of every kind, and what its connections wait for. Loop-confined.
package final class LoopMemory {
    /// Growth that is reported at once.
    private static let reportingByteCount = 1 << 20

    private let loop: EventLoop
    private let budget: MemoryBudget
    /// Bytes of the objects of this loop.
    package private(set) var objectByteCount = 0
    private var reportedByteCount = 0

    package init(loop: EventLoop, budget: MemoryBudget) {
        self.loop = loop
        self.budget = budget
    }

    /// The loop's objects take so many bytes more, or fewer.
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

    /// Whether the loops together hold so much that no new work may begin.
    package func isBudgetExceeded() -> Bool {
        report()
        return budget.isExceeded
    }
}

import Synchronization

/// Bytes that the loops of a server hold for clients together: logs and conversations of sessions, output that waits for slow
/// peers, and requests and messages that are not whole.
///
/// Each loop tells its sum when it grew by much, when it looks its sessions over, and when it is asked whether it may begin new
/// work; so the figure of all is never far from the truth, and no byte is counted on its way.
final class MemoryBudget: Sendable {
    /// Growth of a loop's sum that is told at once.
    static let tellingByteCount = 1 << 20

    let limitBytes: Int
    private let held: Mutex<[Int]>

    init(limitBytes: Int, loopCount: Int) {
        self.limitBytes = limitBytes
        // number-safe: a loop for each processor
        held = Mutex(Array(repeating: 0, count: loopCount))
    }

    func tell(_ byteCount: Int, loop index: Int) { held.withLock { $0[index] = byteCount } }

    var heldBytes: Int { held.withLock { $0.reduce(0, +) } }

    var isExceeded: Bool { heldBytes > limitBytes }
}

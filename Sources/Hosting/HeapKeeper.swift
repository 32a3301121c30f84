import Dispatch
import Network
import Synchronization

/// Returns freed memory to the system after a peak.
///
/// It compares, on a thread of its own, the memory that the process occupies with what the allocator has given out.
package final class HeapKeeper: Sendable {
    private static let interval = DispatchTimeInterval.seconds(5)

    private let policy = Mutex(TrimPolicy())
    private let isStopped = Mutex(false)
    private let freeCaches: @Sendable () -> Void
    private let queue = DispatchQueue(label: "interject.heap", qos: .utility)

    /// - Parameter freeCaches: frees what others retain for later; called on the keeper's thread, may block.
    package init(freeCaches: @escaping @Sendable () -> Void) { self.freeCaches = freeCaches }

    package func start() {
        HeapMemory.holdLittle()
        lookLater()
    }

    package func stop() { isStopped.withLock { $0 = true } }

    private func lookLater() {
        queue.asyncAfter(deadline: .now() + Self.interval) { [weak self] in
            guard let self, !self.isStopped.withLock({ $0 }) else { return }
            self.look()
            self.lookLater()
        }
    }

    private func look() {
        let unused = HeapMemory.unusedResidentByteCount
        guard policy.withLock({ $0.isWorthTrimming(unused: unused) }) else { return }
        freeCaches()
        HeapMemory.giveBack()
        let left = HeapMemory.unusedResidentByteCount
        policy.withLock { $0.trimmed(left: left) }
    }
}

/// Decides when the allocator is told to return memory, from what it occupies without use at each look.
///
/// Occupied memory, not free memory: a block that was returned and then taken and freed again counts as free all the time, but
/// occupies pages again.
struct TrimPolicy {
    /// Bytes below which trimming is not worth its locks.
    static let minByteCount = 8 << 20

    private var last = 0
    /// What trimming could not return: parts of pages that are in use, caches of threads, stacks.
    private var residue = 0

    /// To be called once per look.
    /// - Parameter unused: bytes of resident memory that are not in use.
    mutating func isWorthTrimming(unused: Int) -> Bool {
        // The lesser of two looks: memory that is freed and taken again all the time is not worth it.
        let least = min(unused, last)
        last = unused
        residue = min(residue, unused)
        return least - residue >= Self.minByteCount
    }

    /// - Parameter left: bytes of resident memory that are not in use after trimming.
    mutating func trimmed(left: Int) {
        last = left
        residue = left
    }
}

import Dispatch
import Network
import Synchronization

/// Returns freed memory to the system after a peak.
///
/// A thread of its own compares the resident memory of the process with what the allocator has handed out.
package final class HeapKeeper: Sendable {
    private static let interval = DispatchTimeInterval.seconds(5)

    private let policy = Mutex(TrimPolicy())
    private let isStopped = Mutex(false)
    private let freeCaches: @Sendable () -> Void
    private let queue = DispatchQueue(label: "interject.heap", qos: .utility)

    /// - Parameter freeCaches: frees memory that caches retain; called on the keeper's thread, may block.
    package init(freeCaches: @escaping @Sendable () -> Void) { self.freeCaches = freeCaches }

    /// Starts the thread.
    package func start() {
        HeapMemory.holdLittle()
        lookLater()
    }

    /// Stops the thread after its current check.
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

/// Decides when the allocator is told to return memory, from the unused resident memory at each check.
///
/// Resident memory, not free memory: a block that was returned, then allocated and freed again counts as free throughout, but
/// occupies pages again.
struct TrimPolicy {
    /// Bytes below which trimming is not worth its locks.
    static let minByteCount = 8 << 20

    private var last = 0
    /// Unused bytes that trimming could not return: parts of pages in use, thread caches, stacks.
    private var residue = 0

    /// Called once per check.
    /// - Parameter unused: unused resident memory, in bytes.
    mutating func isWorthTrimming(unused: Int) -> Bool {
        // The lesser of two checks: memory that is allocated again and again is not worth returning.
        let least = min(unused, last)
        last = unused
        residue = min(residue, unused)
        return least - residue >= Self.minByteCount
    }

    /// - Parameter left: unused resident memory after trimming, in bytes.
    mutating func trimmed(left: Int) {
        last = left
        residue = left
    }
}

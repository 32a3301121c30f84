import Dispatch
import Network
import Synchronization

/// Gives memory back to the system after a peak: when the loops have freed much, and need it no more.
///
/// A thread of its own looks at the allocator's figures. What was given back counts as free with them for as long as nobody takes it
/// again, so that only what was freed since is a reason to do it once more.
final class HeapKeeper: Sendable {
    /// How often it looks. Memory that is freed and not given back for two looks is not needed soon.
    private static let interval = DispatchTimeInterval.seconds(5)
    /// Bytes that are worth it.
    private static let minByteCount = 8 << 20

    private struct State {
        /// Free bytes that the system has back.
        var returned = 0
        /// Free bytes at the last look.
        var last = 0
        var isStopped = false
    }

    private let state = Mutex(State())
    /// Has others free what they keep for later.
    private let freeCaches: @Sendable () -> Void
    private let queue = DispatchQueue(label: "interject.heap", qos: .utility)

    /// - Parameter freeCaches: called on the keeper's thread; may block.
    init(freeCaches: @escaping @Sendable () -> Void) { self.freeCaches = freeCaches }

    func start() {
        HeapMemory.holdLittle()
        lookLater()
    }

    func stop() { state.withLock { $0.isStopped = true } }

    private func lookLater() {
        queue.asyncAfter(deadline: .now() + Self.interval) { [weak self] in
            guard let self, !self.state.withLock({ $0.isStopped }) else { return }
            self.look()
            self.lookLater()
        }
    }

    private func look() {
        let free = HeapMemory.freeByteCount
        let isWorthIt = state.withLock { state in
            defer { state.last = free }
            state.returned = min(state.returned, free)
            // The least of two looks: what is freed and taken again all the time stays.
            return min(free, state.last) - state.returned >= Self.minByteCount
        }
        guard isWorthIt else { return }
        freeCaches()
        HeapMemory.giveBack()
        let left = HeapMemory.freeByteCount
        state.withLock { state in
            state.returned = left
            state.last = left
        }
    }
}

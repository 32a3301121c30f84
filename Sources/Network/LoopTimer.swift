/// A single firing at a deadline on an event loop. Loop-confined.
public final class LoopTimer {
    let deadline: Instant
    private var action: (() -> Void)?

    init(deadline: Instant, action: @escaping () -> Void) {
        self.deadline = deadline
        self.action = action
    }

    /// Whether it can still fire.
    public var isPending: Bool { action != nil }

    /// Makes sure that it never fires. Frees what the action held at once.
    public func cancel() { action = nil }

    func fire() {
        guard let action else { return }
        self.action = nil
        action()
    }
}

/// The timers of a loop: a binary heap by deadline. Cancelled timers stay until they surface, or until they are the most.
struct TimerQueue {
    private var heap: [LoopTimer] = []

    /// Timers kept, cancelled ones included.
    var count: Int { heap.count }
    var nextDeadline: Instant? { heap.first?.deadline }

    mutating func insert(_ timer: LoopTimer) {
        if heap.count > 1024, heap.count == heap.capacity { dropCancelled() }
        heap.append(timer)
        siftUp(heap.count - 1)
    }

    mutating func popDue(_ now: Instant) -> LoopTimer? {
        while let first = heap.first, !first.isPending || first.deadline <= now {
            let last = heap.removeLast()
            if !heap.isEmpty {
                heap[0] = last
                siftDown(0)
            }
            if first.isPending { return first }
        }
        return nil
    }

    private mutating func dropCancelled() {
        heap.removeAll { !$0.isPending }
        for index in stride(from: heap.count / 2 - 1, through: 0, by: -1) { siftDown(index) }
    }

    private mutating func siftUp(_ start: Int) {
        var child = start
        while child > 0 {
            let parent = (child - 1) / 2
            if heap[parent].deadline <= heap[child].deadline { return }
            heap.swapAt(parent, child)
            child = parent
        }
    }

    private mutating func siftDown(_ start: Int) {
        var parent = start
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count && heap[child].deadline < heap[least].deadline {
                least = child
            }
            if least == parent { return }
            heap.swapAt(parent, least)
            parent = least
        }
    }
}

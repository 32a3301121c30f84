/// The timers of a loop: a binary heap by deadline.
///
/// A connection's timer is an entry here rather than an object, and the connection stores its index, so it can be moved and removed
/// immediately. Cancelled ``LoopTimer``s remain until they reach the top, or until they are the majority.
struct TimerQueue {
    /// The index of a connection without a timer.
    static let noPlace = UInt32.max

    /// The object to notify.
    enum Target {
        case timer(LoopTimer)
        case connection(Connection)
    }

    private struct Entry {
        var deadline: Instant
        let target: Target

        var isPending: Bool {
            switch target {
            case .timer(let timer): timer.isPending
            case .connection: true
            }
        }
    }

    private var heap: [Entry] = []

    /// Number of entries, cancelled ones included.
    var count: Int { heap.count }
    var nextDeadline: Instant? { heap.first?.deadline }

    mutating func insert(_ timer: LoopTimer) { insert(Entry(deadline: timer.deadline, target: .timer(timer))) }

    /// Sets or replaces the connection's timer.
    mutating func set(_ connection: Connection, at deadline: Instant) {
        guard connection.timerPlace != Self.noPlace else {
            insert(Entry(deadline: deadline, target: .connection(connection)))
            return
        }
        let place = Int(connection.timerPlace)
        heap[place].deadline = deadline
        settle(place)
    }

    mutating func remove(_ connection: Connection) {
        guard connection.timerPlace != Self.noPlace else { return }
        take(Int(connection.timerPlace))
    }

    func deadline(of connection: Connection) -> Instant? {
        connection.timerPlace == Self.noPlace ? nil : heap[Int(connection.timerPlace)].deadline
    }

    mutating func popDue(_ now: Instant) -> Target? {
        while let first = heap.first {
            let isPending = first.isPending
            if isPending, first.deadline > now { return nil }
            take(0)
            if isPending { return first.target }
        }
        return nil
    }

    private mutating func insert(_ entry: Entry) {
        if heap.count > 1024, heap.count == heap.capacity { dropCancelled() }
        heap.append(entry)
        siftUp(heap.count - 1)
    }

    private mutating func take(_ place: Int) {
        if case .connection(let connection) = heap[place].target { connection.timerPlace = Self.noPlace }
        let last = heap.removeLast()
        if place == heap.count { return }
        heap[place] = last
        settle(place)
    }

    private mutating func dropCancelled() {
        heap.removeAll { !$0.isPending }
        for place in heap.indices { tell(place) }
        for place in stride(from: heap.count / 2 - 1, through: 0, by: -1) { siftDown(place) }
    }

    /// Stores the index of an entry in its connection.
    private func tell(_ place: Int) {
        if case .connection(let connection) = heap[place].target { connection.timerPlace = UInt32(place) }
    }

    private mutating func exchange(_ one: Int, _ other: Int) {
        heap.swapAt(one, other)
        tell(one)
    }

    /// Restores the heap order around an entry that is new or has a new deadline.
    private mutating func settle(_ place: Int) {
        siftDown(place)
        siftUp(place)
    }

    private mutating func siftUp(_ start: Int) {
        var child = start
        while child > 0 {
            let parent = (child - 1) / 2
            if heap[parent].deadline <= heap[child].deadline { break }
            exchange(child, parent)
            child = parent
        }
        tell(child)
    }

    private mutating func siftDown(_ start: Int) {
        var parent = start
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count && heap[child].deadline < heap[least].deadline {
                least = child
            }
            if least == parent { break }
            exchange(parent, least)
            parent = least
        }
        tell(parent)
    }
}

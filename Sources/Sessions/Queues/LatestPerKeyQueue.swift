import DequeModule

/// An outgoing queue in which only the newest value of each key matters, such as presence or cursor positions. Sans-I/O, one owner.
///
/// A replaced value keeps its position, so that a key that changes constantly starves no other. *Control* entries are never
/// replaced, stay in order, and precede all values, so that an end does not wait behind bulk output. Both are bounded in bytes; on
/// ``Admission/full`` the caller closes the connection or sends a snapshot instead.
public struct LatestPerKeyQueue<Key: Hashable, Value> {
    /// The outcome of queuing an entry.
    public enum Admission: Sendable, Hashable {
        case queued
        /// The key's older value, of this size, was replaced.
        case replaced(byteCount: Int)
        /// The bound was reached; nothing has changed.
        case full
    }

    /// An entry to send.
    public enum Element {
        case control(Value)
        case latest(Key, Value)
    }

    /// Maximum size of the values, in bytes.
    public let maxByteCount: Int
    /// Maximum size of the control entries, in bytes.
    public let maxControlByteCount: Int
    /// Size of the queued values, in bytes.
    public private(set) var byteCount = 0
    /// Size of the queued control entries, in bytes.
    public private(set) var controlByteCount = 0

    private var control = Deque<(value: Value, byteCount: Int)>()
    private var latest: [Key: (value: Value, byteCount: Int)] = [:]
    /// Each key of `latest` once, longest wait first. Removed keys stay until they reach the front.
    private var order = Deque<(key: Key, ticket: Int)>()
    private var tickets: [Key: Int] = [:]
    private var lastTicket = 0

    /// An empty queue with these bounds, in bytes.
    public init(maxByteCount: Int, maxControlByteCount: Int) {
        self.maxByteCount = maxByteCount
        self.maxControlByteCount = maxControlByteCount
    }

    /// Whether nothing is queued.
    public var isEmpty: Bool { control.isEmpty && latest.isEmpty }
    /// Number of entries.
    public var count: Int { control.count + latest.count }

    /// Queues the newest value of a key, replacing an older one. O(1).
    public mutating func put(_ value: Value, for key: Key, byteCount: Int) -> Admission {
        let older = latest[key]?.byteCount
        let change = byteCount - (older ?? 0)
        // A smaller value is always accepted.
        guard self.byteCount + change <= maxByteCount || change <= 0 && older != nil else { return .full }
        self.byteCount += change
        latest[key] = (value, byteCount)
        if let older { return .replaced(byteCount: older) }
        lastTicket += 1
        tickets[key] = lastTicket
        order.append((key, lastTicket))
        return .queued
    }

    /// Queues an entry before all values and after the earlier control entries. O(1).
    public mutating func putControl(_ value: Value, byteCount: Int) -> Admission {
        guard controlByteCount + byteCount <= maxControlByteCount else { return .full }
        controlByteCount += byteCount
        control.append((value, byteCount))
        return .queued
    }

    /// Drops the value of a key. O(1), amortized.
    /// - Returns: its size in bytes; nil if there was none.
    public mutating func remove(_ key: Key) -> Int? {
        guard let (_, size) = latest.removeValue(forKey: key) else { return nil }
        tickets[key] = nil
        byteCount -= size
        // Keys that are added and removed between reads must not make the order grow.
        if order.count > 2 * latest.count + 16 { order.removeAll { tickets[$0.key] != $0.ticket } }
        return size
    }

    /// Removes and returns the next entry to send. O(1), amortized.
    public mutating func next() -> Element? {
        if let entry = control.popFirst() {
            controlByteCount -= entry.byteCount
            return .control(entry.value)
        }
        while let (key, ticket) = order.popFirst() {
            guard tickets[key] == ticket, let (value, size) = latest.removeValue(forKey: key) else { continue }
            tickets[key] = nil
            byteCount -= size
            return .latest(key, value)
        }
        return nil
    }
}

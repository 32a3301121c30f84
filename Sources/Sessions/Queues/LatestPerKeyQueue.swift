import DequeModule

/// An outgoing queue of which only the newest of each key matters: who is here, where a cursor stands. Sans-I/O, one owner.
///
/// A value that is replaced keeps its place, so that a key that changes all the time starves no other. *Control* entries are never
/// replaced, keep their order, and stand in front of all values: what ends something does not wait behind bulk. Both are bounded
/// in bytes; whoever is told ``Admission/full`` closes, or replaces the queue by a snapshot.
public struct LatestPerKeyQueue<Key: Hashable, Value> {
    public enum Admission: Sendable, Hashable {
        case queued
        /// The older value of the key is gone; it had so many bytes.
        case replaced(byteCount: Int)
        /// The bound is reached; nothing was changed.
        case full
    }

    public enum Element {
        case control(Value)
        case latest(Key, Value)
    }

    /// Bytes of values at most, and of control entries at most.
    public let maxByteCount: Int
    public let maxControlByteCount: Int
    /// Bytes of values held.
    public private(set) var byteCount = 0
    public private(set) var controlByteCount = 0

    private var control = Deque<(value: Value, byteCount: Int)>()
    private var latest: [Key: (value: Value, byteCount: Int)] = [:]
    /// Each key of `latest` once, the one that waits longest first. Keys that were removed stay until they come to the front.
    private var order = Deque<(key: Key, ticket: Int)>()
    private var tickets: [Key: Int] = [:]
    private var lastTicket = 0

    public init(maxByteCount: Int, maxControlByteCount: Int) {
        self.maxByteCount = maxByteCount
        self.maxControlByteCount = maxControlByteCount
    }

    public var isEmpty: Bool { control.isEmpty && latest.isEmpty }
    public var count: Int { control.count + latest.count }

    /// Queues the newest value of a key, in the place of an older one. O(1).
    public mutating func put(_ value: Value, for key: Key, byteCount: Int) -> Admission {
        let older = latest[key]?.byteCount
        let change = byteCount - (older ?? 0)
        // A smaller value is always welcome.
        guard self.byteCount + change <= maxByteCount || change <= 0 && older != nil else { return .full }
        self.byteCount += change
        latest[key] = (value, byteCount)
        if let older { return .replaced(byteCount: older) }
        lastTicket += 1
        tickets[key] = lastTicket
        order.append((key, lastTicket))
        return .queued
    }

    /// Queues what must come, in front of all values and behind the control entries before it. O(1).
    public mutating func putControl(_ value: Value, byteCount: Int) -> Admission {
        guard controlByteCount + byteCount <= maxControlByteCount else { return .full }
        controlByteCount += byteCount
        control.append((value, byteCount))
        return .queued
    }

    /// Drops the value of a key, for what is over. - Returns: its bytes, nil if there was none. O(1), amortised.
    public mutating func remove(_ key: Key) -> Int? {
        guard let (_, size) = latest.removeValue(forKey: key) else { return nil }
        tickets[key] = nil
        byteCount -= size
        // Keys that come and go without anybody taking must not make the order grow.
        if order.count > 2 * latest.count + 16 { order.removeAll { tickets[$0.key] != $0.ticket } }
        return size
    }

    /// The next entry to send. O(1), amortised.
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

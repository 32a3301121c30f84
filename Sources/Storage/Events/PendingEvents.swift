import Sessions

/// What one session has in the tail: events that are in no chunk yet. Their bytes stay in the pages of its log.
///
/// A class, though the tail alone refers to it: to look at a member of a struct in the tail's array would copy the struct, and retain
/// a page, several times for each session of each commit.
final class PendingEvents {
    let session: Int
    /// Sequence number of the first event.
    private let first: Int
    /// Key of the tail's row that contains the first event.
    var row = 0
    /// What the current transaction does with the events.
    var fate = Fate.untouched
    /// Index of their chunk among those that the transaction writes.
    var chunkIndex = 0

    /// Last sequence number and byte count: committed, and including the transaction.
    private(set) var committed: Extent
    private(set) var written: Extent
    /// The committed events: the newest, and a chain of those before it.
    private var newest: PageBytes?
    private var older: [PageBytes] = []

    struct Extent {
        /// Sequence number of the last event.
        var last: Int
        var byteCount = 0
    }

    enum Fate {
        case untouched
        case grows
        /// The events become a chunk.
        case ends
        case deleted
    }

    init(session: Int, first: Int) {
        self.session = session
        self.first = first
        committed = Extent(last: first - 1)
        written = committed
    }

    /// Whether none of the events is committed.
    var isNew: Bool { committed.byteCount == 0 }

    /// Whether the events stay in the tail alone.
    var staysInTail: Bool { fate == .untouched || fate == .grows }

    /// Whether there are enough events for a chunk.
    var isFull: Bool {
        written.last - first + 1 >= EventChunk.maxCount || written.byteCount >= EventChunk.maxByteCount
    }

    /// Takes a run into the transaction; false when it does not follow the last event.
    func write(_ run: EventRun) -> Bool {
        guard run.first == written.last + 1 else { return false }
        written.last = run.last
        written.byteCount += run.bytes.count
        return true
    }

    /// What the transaction has written of them is committed: after this, each of its runs goes to ``retain(_:)``.
    func commit() {
        committed = written
        fate = .untouched
    }

    func rollBack() {
        written = committed
        fate = .untouched
    }

    /// Retains the bytes of a committed run. Those of a session of which nothing runs are copied: they may be here for days, and
    /// would retain a page each.
    func retain(_ run: EventRun) {
        if newest?.extend(with: run.bytes) == true { return }
        if let newest { older.append(newest) }
        newest = run.isOfResponse ? run.bytes : run.bytes.compacted()
    }

    /// The committed events.
    /// - Parameter byteCount: capacity to reserve, in bytes.
    func chunk(room byteCount: Int) -> EventChunk {
        var chunk = EventChunk(session: session, first: first)
        chunk.bytes.reserveCapacity(byteCount)
        for bytes in older { bytes.withBytes { chunk.bytes.append(contentsOf: $0) } }
        newest?.withBytes { chunk.bytes.append(contentsOf: $0) }
        chunk.last = committed.last
        return chunk
    }
}

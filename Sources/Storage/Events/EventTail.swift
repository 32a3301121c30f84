import GRDB
import Synchronization

/// The newest events of all sessions: on the disk in `event_tail`, in the order of the commits, and here by session.
///
/// The writer gathers a transaction's events (``append(_:_:_:)``), writes them before it is committed (``write(to:)``), and says how
/// it ended (``committed()``, ``rolledBack()``); only then do readers see them. A session's events become a chunk when there are
/// enough of them, when its response ends, and when its oldest hold up too much of the tail. What holds nothing that is not in a
/// chunk is deleted from the tail, oldest first.
final class EventTail: Sendable {
    /// What a session has in the tail.
    struct Pending {
        /// The events; those after the committed ones are of the transaction under way.
        var chunk: EventChunk
        /// The row of the tail that holds the first of them.
        var row = 0
        /// How far the events are committed.
        var committed: (last: Int, bytes: Int)
        /// What the transaction under way does with it.
        var fate = Fate.untouched

        init(session: Int, first: Int) {
            chunk = EventChunk(session: session, first: first)
            committed = (first - 1, 0)
        }

        var isNew: Bool { committed.bytes == 0 }

        /// Whether its events will still be nowhere but in the tail.
        var staysInTail: Bool { fate == .untouched || fate == .grows }
    }

    enum Fate {
        case untouched
        case grows
        /// It is to become a chunk.
        case ends
        case deleted
    }

    /// A row of `event_tail`.
    struct TailRow {
        var key: Int
        var byteCount: Int
        /// Sessions whose oldest event in the tail was in it when it was written.
        var holders: [Int]
    }

    struct State {
        var pending: [Int: Pending] = [:]
        var rows: [TailRow] = []
        /// Bytes of the rows.
        var byteCount = 0
        var nextRow: Int
        /// Sessions that the transaction under way changes.
        var touched: [Int] = []
        /// What it does to the rows.
        var written: TailRow?
        var deletedRowCount = 0
        /// Whether its rows may hold events of sessions that were deleted.
        var holdsDeleted = false
        /// Whether the transaction under way takes all rows out.
        var isEmptied = false
    }

    let state: Mutex<State>
    private let maxByteCount: Int

    /// Bytes that the tail may have, of which those that are in no chunk are in memory too.
    static let maxByteCount = 64 << 20

    /// - Parameter firstRow: larger than any key that a row of the tail ever had.
    init(firstRow: Int, maxByteCount: Int) {
        state = Mutex(State(nextRow: firstRow))
        self.maxByteCount = maxByteCount
    }

    // MARK: The writer's

    /// Takes events into the transaction.
    /// - Parameters:
    ///   - runs: where they stand in `bytes`.
    /// - Throws: ``StorageError/refused(reason:)`` for those that do not follow the last of their session.
    func append(_ runs: [EventRun], _ bytes: [UInt8], _ db: Database) throws {
        let unknown = state.withLock { state in runs.filter { state.pending[$0.session] == nil }.map(\.session) }
        var lasts: [Int: Int] = [:]
        for session in unknown where lasts[session] == nil { lasts[session] = try EventTable.lastSequence(session, db) }
        let gap = state.withLock { state in runs.first { !state.append($0, bytes, after: lasts[$0.session]) } }
        if let gap { throw StorageError.refused(reason: "event \(gap.first) does not follow the last of its session") }
    }

    /// A session is deleted in the transaction, after all else that happens to it.
    func delete(session: Int) {
        state.withLock { state in
            state.holdsDeleted = true
            if state.pending[session] == nil { return }
            state.touch(session, .deleted)
        }
    }

    /// Has the transaction take all older rows out, if deleted sessions may have events in them: others hold on to their rows for as
    /// long as they have little to say. What these have in them becomes chunks.
    func dropDeleted() { state.withLock { $0.isEmptied = $0.holdsDeleted } }

    var holdsDeleted: Bool { state.withLock { $0.holdsDeleted } }

    /// Writes what the transaction has gathered: the last thing in it.
    func write(to db: Database) throws {
        // The blobs are shared with the state, which nobody else changes: readers need not wait for the disk.
        let (chunks, image, key, deletedUpTo) = state.withLock { $0.plan(maxByteCount: maxByteCount) }
        for chunk in chunks { for part in try chunk.divided() { try EventTable.insert(part, db) } }
        if !image.isEmpty { try EventTable.insertTail(key, image, db) }
        if let deletedUpTo { try EventTable.deleteTail(upTo: deletedUpTo, db) }
    }

    func committed() { state.withLock { $0.commit() } }

    func rolledBack() { state.withLock { $0.rollBack() } }

    // MARK: Readers'

    /// Committed events of a session that were in no chunk at this time. What is read from the database afterwards has all that
    /// went before them.
    func events(of session: Int) -> EventChunk? {
        state.withLock { state in
            guard let pending = state.pending[session], !pending.isNew else { return nil }
            let (last, bytes) = pending.committed
            return EventChunk(
                session: session, first: pending.chunk.first, last: last,
                bytes: Array(pending.chunk.bytes[..<bytes]))
        }
    }

    /// Sequence numbers of the last committed events in the tail, by session.
    func lastSequences() -> [Int: Int] {
        state.withLock { state in state.pending.compactMapValues { $0.isNew ? nil : $0.committed.last } }
    }
}

import GRDB
import Synchronization

/// The newest events of all sessions: on the disk in `event_tail`, in commit order, and in memory by session.
///
/// The writer gathers a transaction's events (``append(_:_:)``), writes them before it commits (``write(to:)``), and reports the
/// outcome (``committed()``, ``rolledBack()``); readers see the events only then. A session's events become a chunk when there are
/// enough of them, when its response ends, or when its oldest ones block too much of the tail. Rows whose events are all in chunks
/// are deleted, oldest first.
final class EventTail: Sendable {
    /// A row of `event_tail`.
    struct TailRow {
        var key: Int
        var byteCount: Int
        /// Slots of the sessions whose oldest event in the tail was in this row when it was written.
        var holders: [Int]
    }

    /// A run of events in the transaction, with the slot of its session.
    struct WrittenRun {
        var slot: Int
        var run: EventRun
    }

    struct State {
        /// Each session's events in the tail. A free slot is nil and listed in ``freeSlots``.
        var slots: [PendingEvents?] = []
        var freeSlots: [Int] = []
        /// The slot of each session that has events in the tail.
        var slotOfSession: [Int: Int] = [:]
        var rows: [TailRow] = []
        /// Total size of the rows, in bytes.
        var byteCount = 0
        var nextRow: Int
        /// Slots changed by the current transaction.
        var touched: [Int] = []
        /// Events that it appends.
        var runs: [WrittenRun] = []
        /// The row that it adds.
        var written: TailRow?
        var deletedRowCount = 0
        /// Whether rows may contain events of deleted sessions.
        var holdsDeleted = false
        /// Whether the current transaction deletes all rows.
        var isEmptied = false
    }

    let state: Mutex<State>
    private let maxByteCount: Int

    /// Maximum size of the tail in bytes; events that are in no chunk are also in memory.
    static let maxByteCount = 64 << 20

    /// - Parameter firstRow: larger than any key that the tail ever had.
    init(firstRow: Int, maxByteCount: Int) {
        state = Mutex(State(nextRow: firstRow))
        self.maxByteCount = maxByteCount
    }

    // MARK: For the writer

    /// Adds events to the transaction.
    /// - Throws: ``StorageError/refused(reason:)`` if they do not follow the last event of their session.
    func append(_ runs: [EventRun], _ db: Database) throws {
        let (unknown, gap) = state.withLock { state in
            var unknown: [EventRun] = []
            let gap = runs.first { run in
                guard let slot = state.slotOfSession[run.session] else {
                    unknown.append(run)
                    return false
                }
                return !state.write(run, slot)
            }
            return (unknown, gap)
        }
        if let gap { throw Self.refusal(of: gap) }
        if unknown.isEmpty { return }
        // For sessions with nothing in the tail, the database knows the last event.
        var lasts: [Int: Int] = [:]
        for run in unknown where lasts[run.session] == nil { lasts[run.session] = try EventTable.lastSequence(run.session, db) }
        let laterGap = state.withLock { state in
            unknown.first { run in !state.write(run, state.slot(of: run.session, after: lasts[run.session] ?? 0)) }
        }
        if let laterGap { throw Self.refusal(of: laterGap) }
    }

    private static func refusal(of gap: EventRun) -> StorageError {
        .refused(reason: "event \(gap.first) does not follow the last of its session")
    }

    /// Deletes a session in the transaction, after all its other changes.
    func delete(session: Int) {
        state.withLock { state in
            state.holdsDeleted = true
            guard let slot = state.slotOfSession[session] else { return }
            state.touch(slot, .deleted)
        }
    }

    /// Makes the transaction delete all older rows if they may contain events of deleted sessions: other sessions can block a row
    /// for as long as they are quiet. Their events in these rows become chunks.
    func dropDeleted() { state.withLock { $0.isEmptied = $0.holdsDeleted } }

    var holdsDeleted: Bool { state.withLock { $0.holdsDeleted } }

    /// Writes what the transaction has gathered, as its last step.
    func write(to db: Database) throws {
        // The blobs are copies that never change: readers need not wait for the disk.
        let (chunks, image, key, deletedUpTo) = state.withLock { $0.plan(maxByteCount: maxByteCount) }
        for chunk in chunks { for part in try chunk.divided() { try EventTable.insert(part, db) } }
        if !image.isEmpty { try EventTable.insertTail(key, image, db) }
        if let deletedUpTo { try EventTable.deleteTail(upTo: deletedUpTo, db) }
    }

    func committed() { state.withLock { $0.commit() } }

    func rolledBack() { state.withLock { $0.rollBack() } }

    // MARK: For readers

    /// Committed events of a session that are in no chunk now. A database state read afterwards has all earlier ones.
    func events(of session: Int) -> EventChunk? {
        state.withLock { state in
            guard let pending = state.slotOfSession[session].flatMap({ state.slots[$0] }), !pending.isNew else { return nil }
            return pending.chunk(room: pending.committed.byteCount)
        }
    }

    /// Sequence numbers of the last committed events in the tail, by session.
    func lastSequences() -> [Int: Int] {
        state.withLock { state in
            state.slotOfSession.compactMapValues { slot in
                state.slots[slot].flatMap { $0.isNew ? nil : $0.committed.last }
            }
        }
    }
}

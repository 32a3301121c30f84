import GRDB
import Synchronization

/// The newest events of all sessions: on the disk in `event_tail`, in the order of the commits, and here by session.
///
/// The writer gathers a transaction's events (``append(_:_:)``), writes them before it is committed (``write(to:)``), and says how
/// it ended (``committed()``, ``rolledBack()``); only then do readers see them. A session's events become a chunk when there are
/// enough of them, when its response ends, and when its oldest hold up too much of the tail. What holds nothing that is not in a
/// chunk is deleted from the tail, oldest first.
final class EventTail: Sendable {
    /// A row of `event_tail`.
    struct TailRow {
        var key: Int
        var byteCount: Int
        /// Slots of the sessions whose oldest event in the tail was in it when it was written.
        var holders: [Int]
    }

    /// A run of the transaction, and the slot of its session.
    struct WrittenRun {
        var slot: Int
        var run: EventRun
    }

    struct State {
        /// What each session has in the tail. A slot that is free is nil, and is in ``freeSlots``.
        var slots: [PendingEvents?] = []
        var freeSlots: [Int] = []
        /// The slot of each session that has anything in the tail.
        var slotOfSession: [Int: Int] = [:]
        var rows: [TailRow] = []
        /// Bytes of the rows.
        var byteCount = 0
        var nextRow: Int
        /// Slots that the transaction under way changes.
        var touched: [Int] = []
        /// The events that it brings.
        var runs: [WrittenRun] = []
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
    /// - Throws: ``StorageError/refused(reason:)`` for those that do not follow the last of their session.
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
        // Of those that have nothing in the tail, the database knows the last event.
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

    /// A session is deleted in the transaction, after all else that happens to it.
    func delete(session: Int) {
        state.withLock { state in
            state.holdsDeleted = true
            guard let slot = state.slotOfSession[session] else { return }
            state.touch(slot, .deleted)
        }
    }

    /// Has the transaction take all older rows out, if deleted sessions may have events in them: others hold on to their rows for as
    /// long as they have little to say. What these have in them becomes chunks.
    func dropDeleted() { state.withLock { $0.isEmptied = $0.holdsDeleted } }

    var holdsDeleted: Bool { state.withLock { $0.holdsDeleted } }

    /// Writes what the transaction has gathered: the last thing in it.
    func write(to db: Database) throws {
        // The blobs are copies, which nobody changes: readers need not wait for the disk.
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

import Sessions

/// A transaction's effect on the tail.
extension EventTail.State {
    /// Bytes of obsolete rows that are worth a deletion.
    private static let deletionByteCount = 256 << 10
    /// Capacity for runs that is retained between transactions.
    private static let maxRetainedRunCount = SessionChanges.maxRetainedRunCount

    /// The slot of a session, allocated if it has none.
    /// - Parameter stored: sequence number of the session's last event in chunks, for a session with none in the tail.
    mutating func slot(of session: Int, after stored: Int) -> Int {
        if let slot = slotOfSession[session] { return slot }
        let slot = freeSlots.popLast() ?? slots.count
        if slot == slots.count { slots.append(nil) }
        slots[slot] = PendingEvents(session: session, first: stored + 1)
        slotOfSession[session] = slot
        // The slot is freed again at the end of the transaction unless one of its events is committed.
        touch(slot, .grows)
        return slot
    }

    private mutating func free(_ slot: Int) {
        guard let session = slots[slot]?.session else { return }
        slotOfSession[session] = nil
        slots[slot] = nil
        freeSlots.append(slot)
    }

    /// - Returns: false if the events do not follow the last one.
    mutating func write(_ run: EventRun, _ slot: Int) -> Bool {
        guard let pending = slots[slot], pending.write(run) else { return false }
        touch(slot, run.endsResponse ? .ends : .grows)
        runs.append(EventTail.WrittenRun(slot: slot, run: run))
        return true
    }

    /// Of all that happens to a session in a transaction, the strongest effect counts.
    mutating func touch(_ slot: Int, _ fate: PendingEvents.Fate) {
        guard let pending = slots[slot] else { return }
        switch (pending.fate, fate) {
        case (.untouched, _):
            pending.fate = fate
            touched.append(slot)
        case (_, .deleted), (.grows, .ends): pending.fate = fate
        default: break
        }
    }

    /// Decides the fate of every touched slot.
    /// - Returns: what to write: chunks, the tail's new row and its key, and the key up to which rows are deleted.
    mutating func plan(maxByteCount: Int) -> (chunks: [EventChunk], image: [UInt8], key: Int, deletedUpTo: Int?) {
        var chunks: [EventChunk] = []
        var holders: [Int] = []
        let key = nextRow
        for slot in touched {
            guard let pending = slots[slot] else { continue }
            if pending.fate == .grows, pending.isFull { pending.fate = .ends }
            switch pending.fate {
            case .ends: makeChunk(of: slot, &chunks)
            case .grows where pending.isNew:
                pending.row = key
                holders.append(slot)
            default: break
            }
        }
        let dead = release(beyond: isEmptied ? -1 : maxByteCount, &chunks)
        let image = image(addingEndedTo: &chunks)
        if !image.isEmpty { written = EventTail.TailRow(key: key, byteCount: image.count, holders: holders) }
        let isAllDead = dead.count == rows.count && image.isEmpty
        let isWorthIt = isEmptied || isAllDead || dead.byteCount >= Self.deletionByteCount
        guard dead.count > 0, isWorthIt else { return (chunks, image, key, nil) }
        deletedRowCount = dead.count
        return (chunks, image, key, rows[dead.count - 1].key)
    }

    private mutating func makeChunk(of slot: Int, _ chunks: inout [EventChunk]) {
        guard let pending = slots[slot] else { return }
        pending.chunkIndex = chunks.count
        chunks.append(pending.chunk(room: pending.written.byteCount))
    }

    /// Moves the transaction's events to their destination: the chunks of their sessions, or the tail's new row.
    /// - Returns: the row's frames, each of them: session, first sequence number, event count, byte count, events.
    private func image(addingEndedTo chunks: inout [EventChunk]) -> [UInt8] {
        var image: [UInt8] = []
        var byteCount = 0
        for index in runs.indices { byteCount += runs[index].run.bytes.count + EventCoding.frameByteCount }
        image.reserveCapacity(byteCount)
        for written in runs {
            guard let pending = slots[written.slot] else { continue }
            let run = written.run
            switch pending.fate {
            case .untouched, .deleted: break
            case .ends:
                let index = pending.chunkIndex
                run.bytes.withBytes { chunks[index].bytes.append(contentsOf: $0) }
                chunks[index].last = run.last
            case .grows:
                EventCoding.appendNumber(run.session, to: &image)
                EventCoding.appendNumber(run.first, to: &image)
                EventCoding.appendNumber(run.count, to: &image)
                EventCoding.appendNumber(run.bytes.count, to: &image)
                run.bytes.withBytes { image.append(contentsOf: $0) }
            }
        }
        return image
    }

    /// Counts the oldest rows whose events are all stored elsewhere. If the rest exceeds `maxByteCount`, the events that block the
    /// oldest rows become chunks.
    private mutating func release(beyond maxByteCount: Int, _ chunks: inout [EventChunk]) -> (count: Int, byteCount: Int) {
        var dead = (count: 0, byteCount: 0)
        while dead.count < rows.count {
            let row = rows[dead.count]
            for slot in row.holders {
                // A slot may be another session's by now, whose events then came later.
                guard let pending = slots[slot], pending.row == row.key, pending.staysInTail else { continue }
                guard byteCount - dead.byteCount > maxByteCount else { return dead }
                makeChunk(of: slot, &chunks)
                touch(slot, .ends)
            }
            dead.count += 1
            dead.byteCount += row.byteCount
        }
        return dead
    }

    mutating func commit() {
        for written in runs {
            if let pending = slots[written.slot], pending.fate == .grows { pending.retain(written.run) }
        }
        for slot in touched {
            if let pending = slots[slot], pending.staysInTail { pending.commit() } else { free(slot) }
        }
        byteCount -= rows.prefix(deletedRowCount).reduce(0) { $0 + $1.byteCount }
        rows.removeFirst(deletedRowCount)
        if let written {
            rows.append(written)
            byteCount += written.byteCount
            nextRow = written.key + 1
        }
        if isEmptied { holdsDeleted = false }
        forgetTransaction()
    }

    mutating func rollBack() {
        for slot in touched {
            if let pending = slots[slot], !pending.isNew { pending.rollBack() } else { free(slot) }
        }
        forgetTransaction()
    }

    private mutating func forgetTransaction() {
        touched.removeAll(keepingCapacity: true)
        runs.removeAll(keepingCapacity: runs.capacity <= Self.maxRetainedRunCount)
        written = nil
        deletedRowCount = 0
        isEmptied = false
    }
}

/// What a transaction does to the tail.
extension EventTail.State {
    /// Bytes of the tail that nobody needs any more which are worth a deletion.
    private static let deletionByteCount = 256 << 10

    /// - Parameter stored: sequence number of the session's last event in chunks, where it has none in the tail.
    /// - Returns: false if the events do not follow the last one.
    mutating func append(_ run: EventRun, _ bytes: [UInt8], after stored: Int?) -> Bool {
        let isKnown = withPending(run.session) { pending in
            guard pending.chunk.last + 1 == run.first else { return false }
            pending.append(run, bytes)
            return true
        }
        if let isKnown {
            if isKnown { touch(run.session, run.endsResponse ? .ends : .grows) }
            return isKnown
        }
        guard let stored, stored + 1 == run.first else { return false }
        var new = EventTail.Pending(session: run.session, first: run.first)
        new.append(run, bytes)
        pending[run.session] = new
        touch(run.session, run.endsResponse ? .ends : .grows)
        return true
    }

    private mutating func withPending<Result>(_ session: Int, _ body: (inout EventTail.Pending) -> Result) -> Result? {
        guard let index = pending.index(forKey: session) else { return nil }
        return body(&pending.values[index])
    }

    /// The strongest of all that happens to a session in a transaction counts.
    mutating func touch(_ session: Int, _ fate: EventTail.Fate) {
        let isFirst = withPending(session) { pending in
            defer {
                if pending.fate == .untouched || fate == .deleted || pending.fate == .grows && fate == .ends { pending.fate = fate }
            }
            return pending.fate == .untouched
        }
        if isFirst == true { touched.append(session) }
    }

    /// Decides what becomes of all that was touched.
    /// - Returns: what is to be written: chunks, the tail's new row, and the key up to which its rows go.
    mutating func plan(maxByteCount: Int) -> (chunks: [EventChunk], image: [UInt8], key: Int, deletedUpTo: Int?) {
        var chunks: [EventChunk] = []
        var image: [UInt8] = []
        var holders: [Int] = []
        let key = nextRow
        for session in touched {
            _ = withPending(session) { pending in
                if pending.fate == .grows, pending.chunk.isFull { pending.fate = .ends }
                switch pending.fate {
                case .untouched, .deleted: return
                case .ends: chunks.append(pending.chunk)
                case .grows:
                    pending.appendFrame(to: &image)
                    guard pending.isNew else { return }
                    pending.row = key
                    holders.append(session)
                }
            }
        }
        let dead = release(beyond: isEmptied ? -1 : maxByteCount, &chunks)
        if !image.isEmpty { written = EventTail.TailRow(key: key, byteCount: image.count, holders: holders) }
        let isAllDead = dead.count == rows.count && image.isEmpty
        let isWorthIt = isEmptied || isAllDead || dead.byteCount >= Self.deletionByteCount
        guard dead.count > 0, isWorthIt else { return (chunks, image, key, nil) }
        deletedRowCount = dead.count
        return (chunks, image, key, rows[dead.count - 1].key)
    }

    /// Counts the oldest rows that hold nothing that is nowhere else; makes chunks of what holds the others up, if all that remains
    /// is too much.
    private mutating func release(beyond maxByteCount: Int, _ chunks: inout [EventChunk]) -> (count: Int, byteCount: Int) {
        var dead = (count: 0, byteCount: 0)
        while dead.count < rows.count {
            let row = rows[dead.count]
            for session in row.holders {
                guard let holder = pending[session], holder.row == row.key, holder.staysInTail else { continue }
                guard byteCount - dead.byteCount > maxByteCount else { return dead }
                // Its new events stand in the new row already, which does no harm: chunks come first.
                chunks.append(holder.chunk)
                touch(session, .ends)
            }
            dead.count += 1
            dead.byteCount += row.byteCount
        }
        return dead
    }

    mutating func commit() {
        for session in touched {
            let stays = withPending(session) { pending in
                guard pending.staysInTail else { return false }
                pending.fate = .untouched
                pending.committed = (pending.chunk.last, pending.chunk.bytes.count)
                return true
            }
            if stays == false { pending[session] = nil }
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
        for session in touched {
            let isKnown = withPending(session) { pending in
                pending.fate = .untouched
                pending.chunk.last = pending.committed.last
                pending.chunk.bytes.removeLast(pending.chunk.bytes.count - pending.committed.bytes)
                return !pending.isNew
            }
            if isKnown == false { pending[session] = nil }
        }
        forgetTransaction()
    }

    private mutating func forgetTransaction() {
        touched.removeAll(keepingCapacity: true)
        written = nil
        deletedRowCount = 0
        isEmptied = false
    }
}

extension EventTail.Pending {
    fileprivate mutating func append(_ run: EventRun, _ bytes: [UInt8]) {
        chunk.bytes.append(contentsOf: bytes[run.range])
        chunk.last = run.last
    }

    /// Its new events as they stand in a row of the tail: numbers of the session, the first event, how many there are, and
    /// how many bytes follow.
    fileprivate func appendFrame(to image: inout [UInt8]) {
        EventCoding.appendNumber(chunk.session, to: &image)
        EventCoding.appendNumber(committed.last + 1, to: &image)
        EventCoding.appendNumber(chunk.last - committed.last, to: &image)
        EventCoding.appendNumber(chunk.bytes.count - committed.bytes, to: &image)
        image.append(contentsOf: chunk.bytes[committed.bytes...])
    }
}

import Foundation
import GRDB
import JSON
import Sessions

/// Reads the log of one session within one state of the database: its chunks, and then what was in the tail only.
struct EventReading {
    private let db: Database
    private let session: Int
    /// Events after those of the chunks.
    private let pending: EventChunk?
    /// Sequence number of the last event in chunks; 0 for none.
    private let lastInChunks: Int

    /// - Parameter pending: what the tail had at this state of the database or before.
    init(_ db: Database, session: Int, pending: EventChunk?) throws {
        self.db = db
        self.session = session
        lastInChunks = try EventTable.lastSequence(session, db)
        let stored = lastInChunks
        // Meanwhile they may have come to stand in a chunk.
        self.pending = pending.flatMap { $0.first > stored ? $0 : nil }
    }

    /// Sequence number of the newest event; 0 when there was none.
    var lastSequence: Int { pending?.last ?? lastInChunks }

    /// Sequence number of the oldest event that is kept.
    var oldestSequence: Int {
        get throws {
            let stored = try Int.fetchOne(
                db, sql: "SELECT first FROM event_chunks WHERE session = ? ORDER BY last LIMIT 1", arguments: [session])
            return stored ?? pending?.first ?? lastSequence + 1
        }
    }

    /// The newest events that fit into so many bytes, oldest first; one at least.
    func newest(maxBytes: Int, _ references: [Int: ResponseReference]) throws -> [LogEvent] {
        // Bytes of the log end at each event, so the place where the tail begins is a difference.
        let stored = try Int.fetchOne(db, sql: "SELECT sum(byte_count) FROM event_chunks WHERE session = ?", arguments: [session])
        var end = (stored ?? 0) + (pending?.byteCount ?? 0)
        var newestFirst: [LogEvent] = []
        var taken = 0
        try forEachChunkBackwards { chunk in
            var events: [LogEvent] = []
            var offset = end - chunk.byteCount
            try chunk.forEach { sequence, event in
                offset += event.byteCount
                events.append(try event.decoded(sequence: sequence, endOffset: offset, references))
                return true
            }
            end -= chunk.byteCount
            for event in events.reversed() {
                guard newestFirst.isEmpty || taken + event.byteCount <= maxBytes else { return false }
                taken += event.byteCount
                newestFirst.append(event)
            }
            return true
        }
        return newestFirst.reversed()
    }

    /// Events after `sequence`, up to so many bytes and one more.
    func events(after sequence: Int, maxBytes: Int, _ references: [Int: ResponseReference]) throws -> [LogEvent] {
        var events: [LogEvent] = []
        var taken = 0
        try forEach(after: sequence) { sequence, event in
            events.append(try event.decoded(sequence: sequence, endOffset: 0, references))
            taken += event.byteCount
            return taken < maxBytes
        }
        return events
    }

    /// Events of one response.
    /// - Parameter first: where to look from.
    func events(ofResponse key: Int, from first: Int, _ references: [Int: ResponseReference]) throws -> [LogEvent] {
        var events: [LogEvent] = []
        try forEach(after: first - 1) { sequence, event in
            if event.response == key { events.append(try event.decoded(sequence: sequence, endOffset: 0, references)) }
            return true
        }
        return events
    }

    /// Calls `body` for each event after `sequence`, in order, as long as it returns true.
    func forEach(after sequence: Int, _ body: (Int, EncodedEvent) throws -> Bool) throws {
        var goesOn = true
        func take(_ chunk: EventChunk) throws {
            try chunk.forEach { place, event in
                if place > sequence { goesOn = try body(place, event) }
                return goesOn
            }
        }
        let rows = try Row.fetchCursor(
            db, sql: "SELECT * FROM event_chunks WHERE session = ? AND last > ? ORDER BY last", arguments: [session, sequence])
        while goesOn, let row = try rows.next() { try take(EventChunk(row)) }
        if goesOn, let pending { try take(pending) }
    }

    private func forEachChunkBackwards(_ body: (EventChunk) throws -> Bool) throws {
        if let pending, try !body(pending) { return }
        let rows = try Row.fetchCursor(
            db, sql: "SELECT * FROM event_chunks WHERE session = ? ORDER BY last DESC", arguments: [session])
        while let row = try rows.next(), try body(EventChunk(row)) {}
    }
}

extension EventChunk {
    init(_ row: Row) throws {
        self.init(
            session: row["session"], first: row["first"], last: row["last"], byteCount: row["byte_count"],
            bytes: [UInt8](row["payload"] as Data))
        guard first > 0, last >= first, last < 1 << 53, last - first < bytes.count, (0...(1 << 53)).contains(byteCount) else {
            throw MalformedRecord(record: "place in the log")
        }
    }
}

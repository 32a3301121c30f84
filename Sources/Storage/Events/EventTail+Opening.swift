import Foundation
import GRDB
import JSON

extension EventTail {
    /// Empties the tail of a file that no other connection uses: its events become chunks, as they would have later.
    /// - Returns: the key of the next row, larger than any before.
    static func empty(_ db: Database, unixMicroseconds: Int) throws -> Int {
        var chunks: [Int: EventChunk] = [:]
        var lastRow = 0
        // The tail may still have rows of deleted sessions, and of events that are already in chunks.
        var lasts = try lastSequences(db)
        let rows = try Row.fetchCursor(db, sql: "SELECT key, payload FROM event_tail ORDER BY key")
        while let row = try rows.next() {
            lastRow = row["key"]
            try (row["payload"] as Data).withUnsafeBytes { image in
                try TailFrame.forEach(in: image) { frame in
                    guard let last = lasts[frame.session], frame.last > last else { return }
                    guard frame.first == last + 1 else { throw MalformedRecord(record: "place in the log") }
                    lasts[frame.session] = frame.last
                    var chunk = chunks[frame.session] ?? EventChunk(session: frame.session, first: frame.first)
                    chunks[frame.session] = nil
                    frame.append(to: &chunk)
                    chunks[frame.session] = chunk
                }
            }
        }
        for chunk in chunks.values.sorted(by: { $0.session < $1.session }) {
            for part in try chunk.divided() { try EventTable.insert(part, db) }
        }
        if lastRow > 0 { try db.execute(sql: "DELETE FROM event_tail") }
        return max(lastRow + 1, unixMicroseconds)
    }

    /// Sequence numbers of the last events in chunks, for the sessions that the tail names and that still exist.
    private static func lastSequences(_ db: Database) throws -> [Int: Int] {
        var sessions: Set<Int> = []
        let rows = try Row.fetchCursor(db, sql: "SELECT payload FROM event_tail")
        while let row = try rows.next() {
            try (row["payload"] as Data).withUnsafeBytes { image in
                try TailFrame.forEach(in: image) { sessions.insert($0.session) }
            }
        }
        var lasts: [Int: Int] = [:]
        for session in sessions {
            let isThere = try Bool.fetchOne(db, sql: "SELECT EXISTS (SELECT 1 FROM sessions WHERE key = ?)", arguments: [session])
            if isThere == true { lasts[session] = try EventTable.lastSequence(session, db) }
        }
        return lasts
    }
}

/// Consecutive events of one session within a row of the tail; points into the row.
struct TailFrame {
    var session: Int
    var first: Int
    var last: Int
    var bytes: UnsafeRawBufferPointer

    static func forEach(in image: UnsafeRawBufferPointer, _ body: (TailFrame) throws -> Void) throws {
        var decoder = EventDecoder(image)
        while !decoder.isAtEnd {
            let (session, first) = (try decoder.number(), try decoder.number())
            let count = try decoder.number()
            let bytes = try decoder.slice(try decoder.number())
            guard first > 0, count > 0, count <= bytes.count else { throw MalformedRecord(record: "place in the log") }
            let (last, overflows) = first.addingReportingOverflow(count - 1)
            if overflows { throw MalformedRecord(record: "place in the log") }
            try body(TailFrame(session: session, first: first, last: last, bytes: bytes))
        }
    }

    func append(to chunk: inout EventChunk) {
        chunk.last = last
        chunk.bytes.append(contentsOf: bytes)
    }
}

import Foundation
import GRDB
import JSON

/// Finds the events of single sessions in the tail, for a reader beside a server that writes it. Each row is scanned once.
final class TailScan {
    /// Keys of the rows that contain events of each session.
    private var rows: [Int: [Int]] = [:]
    private var rowCount = 0
    private var lastRow = 0

    /// Number of known rows above which deleted ones are forgotten.
    private static let maxRowCount = 1 << 14

    /// A session's events in the tail that follow its chunks, in the database state of `db`.
    func events(of session: Int, _ db: Database) throws -> EventChunk? {
        try lookThrough(db)
        let last = try EventTable.lastSequence(session, db)
        var chunk = EventChunk(session: session, first: last + 1)
        for key in rows[session] ?? [] {
            let row = try Row.fetchOne(
                db.cachedStatement(sql: "SELECT payload FROM event_tail WHERE key = ?"), arguments: [key])
            try (row?["payload"] as Data?)?.withUnsafeBytes { image in
                try TailFrame.forEach(in: image) { frame in
                    guard frame.session == session, frame.last > chunk.last else { return }
                    guard frame.first == chunk.last + 1 else { throw MalformedRecord(record: "place in the log") }
                    frame.append(to: &chunk)
                }
            }
        }
        return chunk.count == 0 ? nil : chunk
    }

    private func lookThrough(_ db: Database) throws {
        let new = try Row.fetchCursor(
            db, sql: "SELECT key, payload FROM event_tail WHERE key > ? ORDER BY key", arguments: [lastRow])
        while let row = try new.next() {
            let key: Int = row["key"]
            lastRow = key
            try (row["payload"] as Data).withUnsafeBytes { image in
                try TailFrame.forEach(in: image) { frame in
                    // A session that appended in two iterations of its loop has two frames.
                    if rows[frame.session]?.last != key { rows[frame.session, default: []].append(key) }
                }
            }
            rowCount += 1
        }
        guard rowCount > Self.maxRowCount else { return }
        let oldest = try Int.fetchOne(db, sql: "SELECT min(key) FROM event_tail") ?? .max
        rows = rows.compactMapValues { keys in
            let kept = keys.filter { $0 >= oldest }
            return kept.isEmpty ? nil : kept
        }
        rowCount = 0
    }
}

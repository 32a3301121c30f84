import Foundation
import GRDB
import JSON
import Sessions

/// The log as versions before `event_chunks` kept it: a row for each event.
struct OldEventRow {
    var sequence: Int
    /// Key of its response; 0 for none.
    var response: Int
    var responseSequence: Int
    var delta: Range<Int>
    var outputIndex: Int
    var payload: [UInt8]

    private init(_ row: Row) throws {
        sequence = row["sequence"]
        response = row["response"] ?? 0
        responseSequence = row["response_sequence"]
        outputIndex = row["output_index"]
        payload = [UInt8](row["payload"] as Data)
        let (start, end): (Int, Int) = (row["delta_start"], row["delta_end"])
        guard response >= 0, responseSequence >= -1, outputIndex >= 0, start >= 0, start <= end, end <= payload.count else {
            throw MalformedRecord(record: "event")
        }
        delta = start..<end
    }

    /// Calls `body` for each event of a session in its order.
    static func forEach(_ session: Int, _ db: Database, _ body: (OldEventRow) throws -> Void) throws {
        let rows = try Row.fetchCursor(db, sql: "SELECT * FROM events WHERE session = ? ORDER BY sequence", arguments: [session])
        while let row = try rows.next() { try body(OldEventRow(row)) }
    }

    /// Whether a file, read without being changed, still has such rows.
    static func areThere(_ db: Database) throws -> Bool { try db.tableExists("events") }

    /// Turns them into chunks. Room that one session leaves is taken by the next: the file does not grow.
    static func convert(_ db: Database) throws {
        for session in try Int.fetchAll(db, sql: "SELECT key FROM sessions") {
            var chunk = EventChunk(session: session, first: 1)
            try forEach(session, db) { event in
                if chunk.isFull || event.sequence != chunk.last + 1 {
                    if chunk.count > 0 { try EventTable.insert(chunk, db) }
                    chunk = EventChunk(session: session, first: event.sequence)
                }
                chunk.append(event)
            }
            if chunk.count > 0 { try EventTable.insert(chunk, db) }
            try db.execute(sql: "DELETE FROM events WHERE session = ?", arguments: [session])
        }
        try db.execute(sql: "DROP TABLE events")
    }
}

extension EventChunk {
    fileprivate mutating func append(_ event: OldEventRow) {
        EventCoding.append(
            event.payload, response: event.response, responseSequence: event.responseSequence, delta: event.delta,
            outputIndex: event.outputIndex, to: &bytes)
        last = event.sequence
        byteCount += LogEvent.byteCount(ofPayload: event.payload.count)
    }
}

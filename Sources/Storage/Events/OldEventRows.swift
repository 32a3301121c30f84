import Foundation
import GRDB
import Sessions

/// The log as versions before `event_chunks` kept it: a row for each event.
extension EventTable {
    /// Calls `body` for each event of a session in its order, with the key of its response (0 for none).
    static func forEachOldRow(_ session: Int, _ db: Database, _ body: (Int, Int, LogEvent) throws -> Void) throws {
        let rows = try Row.fetchCursor(db, sql: "SELECT * FROM events WHERE session = ? ORDER BY sequence", arguments: [session])
        while let row = try rows.next() {
            let payload = [UInt8](row["payload"] as Data)
            let (start, end): (Int, Int) = (row["delta_start"], row["delta_end"])
            guard let type = EventType(payload: payload), start >= 0, start <= end, end <= payload.count else {
                throw MalformedRecord(what: "event")
            }
            let (sequence, responseSequence): (Int, Int) = (row["sequence"], row["response_sequence"])
            let (outputIndex, response): (Int, Int) = (row["output_index"], row["response"] ?? 0)
            guard responseSequence >= -1, outputIndex >= 0, response >= 0 else { throw MalformedRecord(what: "event") }
            let event = LogEvent(
                sequence: sequence, type: type, response: nil, responseSequence: responseSequence, payload: payload,
                delta: start..<end, outputIndex: outputIndex, endOffset: 0)
            try body(sequence, response, event)
        }
    }

    /// Whether a file, read without being changed, still has such rows.
    static func hasOldRows(_ db: Database) throws -> Bool { try db.tableExists("events") }
}

import Bytes
import Foundation
import GRDB
import GRDBSQLite
import JSON
import Sessions

/// Reads sessions within one state of the database.
struct SessionReading {
    private let db: Database

    init(_ db: Database) { self.db = db }

    func load(_ id: String, owner: String?, maxTailBytes: Int) throws -> Store.LoadedSession? {
        guard let row = try Row.fetchOne(db, sql: "SELECT * FROM sessions WHERE id = ?", arguments: [id]) else { return nil }
        let record = try Self.record(row)
        if let owner, record.owner != owner { return nil }
        let key: Int = row["key"]
        var generations: [GenerationRecord] = []
        var keys: [String: Int] = [:]
        var references: [String: ResponseReference] = [:]
        var byKey: [Int: ResponseReference] = [:]
        let responses = try Row.fetchCursor(
            db,
            sql: "SELECT key, id, status, record FROM responses WHERE session = ? AND status <> 'deleted' ORDER BY key",
            arguments: [key])
        while let row = try responses.next() {
            let generation = try GenerationRecord(
                id: row["id"], status: row["status"], stored: .column(row["record"]))
            let reference = ResponseReference(generation.id, sessionID: record.id)
            keys[generation.id] = row["key"]
            references[generation.id] = reference
            byKey[row["key"]] = reference
            generations.append(generation)
        }
        var unfinished: [String: [LogEvent]] = [:]
        for generation in generations where generation.status == .inProgress {
            guard let responseKey = keys[generation.id] else { continue }
            unfinished[generation.id] = try events(
                session: key, where: "sequence >= ? AND response = ?", [generation.firstSequence ?? 1, responseKey],
                references: byKey)
        }
        let last = try Int.fetchOne(db, sql: "SELECT max(sequence) FROM events WHERE session = ?", arguments: [key]) ?? 0
        let oldest = try Int.fetchOne(db, sql: "SELECT min(sequence) FROM events WHERE session = ?", arguments: [key]) ?? last + 1
        let tail = try tail(session: key, maxBytes: maxTailBytes, references: byKey)
        let stored = StoredSession(
            record: record, items: try items(session: key), generations: generations, references: references,
            unfinishedEvents: unfinished, appendedByteCount: tail.last?.endOffset ?? 0)
        return Store.LoadedSession(
            key: key, ordinal: row["ordinal"], session: stored, tail: tail, lastSequence: last, oldestSequence: oldest,
            responseKeys: keys)
    }

    func list(owner: String, before ordinal: Int?, limit: Int) throws -> [Store.SessionSummary] {
        let rows = try Row.fetchAll(
            db,
            sql: """
                SELECT *, (SELECT max(sequence) FROM events WHERE session = sessions.key) AS last FROM sessions
                WHERE owner = ? AND ordinal < ? ORDER BY ordinal DESC LIMIT ?
                """, arguments: [owner, ordinal ?? Int.max, limit])
        return try rows.map {
            Store.SessionSummary(record: try Self.record($0), ordinal: $0["ordinal"], lastSequence: $0["last"] ?? 0)
        }
    }

    private static func record(_ row: Row) throws -> SessionRecord {
        guard let mode = InterjectionMode(rawValue: row["mode"]), let policy = DisconnectPolicy(text: row["policy"]) else {
            throw MalformedRecord(what: "session")
        }
        return SessionRecord(
            id: row["id"], owner: row["owner"], createdAt: row["created_at"],
            defaults: try ResponseParameters(stored: .column(row["defaults"])), mode: mode, policy: policy,
            metadata: try .column(row["metadata"]), forkedFrom: row["forked_from"])
    }

    private func items(session: Int) throws -> [Item] {
        try Row.fetchAll(
            db, sql: "SELECT id, status, body, chat_message FROM items WHERE session = ? ORDER BY position", arguments: [session]
        ).map { row in
            guard let body = try JSONValue.column(row["body"]).object else { throw MalformedRecord(what: "item") }
            let chat: String? = row["chat_message"]
            return Item(
                id: row["id"], status: Item.Status(rawValue: row["status"]) ?? .completed, body: body,
                chatMessage: try chat.map(JSONValue.column))
        }
    }

    // MARK: Events

    /// The newest events that fit into so many bytes, oldest first; one at least.
    private func tail(session: Int, maxBytes: Int, references: [Int: ResponseReference]) throws -> [LogEvent] {
        // Bytes of the log end at each event, so the place where the tail begins is a difference.
        let end =
            try Int.fetchOne(
                db, sql: "SELECT sum(length(payload)) + count(*) * ? FROM events WHERE session = ?",
                arguments: [LogEvent.byteCount(ofPayload: 0), session]) ?? 0
        var events: [LogEvent] = []
        var taken = 0
        let rows = try Row.fetchCursor(
            db, sql: "SELECT * FROM events WHERE session = ? ORDER BY sequence DESC", arguments: [session])
        while let row = try rows.next() {
            let event = try Self.event(row, endOffset: end - taken, references)
            guard events.isEmpty || taken + event.byteCount <= maxBytes else { break }
            taken += event.byteCount
            events.append(event)
        }
        return events.reversed()
    }

    func events(session: Int, after sequence: Int, maxBytes: Int, references: [Int: ResponseReference]) throws -> [LogEvent] {
        var events: [LogEvent] = []
        var taken = 0
        let rows = try Row.fetchCursor(
            db, sql: "SELECT * FROM events WHERE session = ? AND sequence > ? ORDER BY sequence", arguments: [session, sequence])
        while taken < maxBytes, let row = try rows.next() {
            let event = try Self.event(row, endOffset: 0, references)
            taken += event.byteCount
            events.append(event)
        }
        return events
    }

    private func events(
        session: Int, where condition: String, _ arguments: StatementArguments, references: [Int: ResponseReference]
    ) throws -> [LogEvent] {
        try Row.fetchAll(
            db, sql: "SELECT * FROM events WHERE session = ? AND \(condition) ORDER BY sequence", arguments: [session] + arguments
        ).map { try Self.event($0, endOffset: 0, references) }
    }

    private static func event(_ row: Row, endOffset: Int, _ references: [Int: ResponseReference]) throws -> LogEvent {
        let data: Data = row["payload"]
        let payload = [UInt8](data)
        guard let type = EventType(payload: payload) else { throw MalformedRecord(what: "event") }
        let start: Int = row["delta_start"]
        let end: Int = row["delta_end"]
        guard start >= 0, start <= end, end <= payload.count else { throw MalformedRecord(what: "event") }
        let response: Int? = row["response"]
        return LogEvent(
            sequence: row["sequence"], type: type, response: response.flatMap { references[$0] },
            responseSequence: row["response_sequence"], payload: payload, delta: start..<end, outputIndex: row["output_index"],
            endOffset: endOffset)
    }
}

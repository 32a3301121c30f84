import Bytes
import GRDB
import JSON
import Sessions

/// Reads sessions from a single state of the database.
struct SessionReading {
    private let db: Database

    init(_ db: Database) { self.db = db }

    /// - Parameter pending: the session's events in the tail at this state of the database or before.
    func load(key: Int, pending: EventChunk?, maxTailBytes: Int) throws -> Store.LoadedSession? {
        guard let row = try Row.fetchOne(db, sql: "SELECT * FROM sessions WHERE key = ?", arguments: [key]) else { return nil }
        let record = try Self.record(row)
        let log = try EventReading(db, session: key, pending: pending)
        var generations: [GenerationRecord] = []
        var headers: [Int: ResponseHeader] = [:]
        var newestOrdinal = 0
        let responses = try Row.fetchCursor(
            db, sql: "SELECT ordinal, id, status, record FROM responses WHERE session = ? ORDER BY ordinal", arguments: [key])
        while let row = try responses.next() {
            let generation = try GenerationRecord(row)
            headers[generation.ordinal] = ResponseHeader(generation, sessionID: record.id)
            newestOrdinal = max(newestOrdinal, generation.ordinal)
            if row["status"] as String != "deleted" { generations.append(generation) }
        }
        var unfinished: [Int: [SessionEvent]] = [:]
        for generation in generations where generation.status == .inProgress {
            guard let header = headers[generation.ordinal] else { continue }
            unfinished[generation.ordinal] = try log.events(of: header, from: generation.firstSequence ?? 1)
        }
        let tail = try log.newest(maxBytes: maxTailBytes)
        for page in tail { page.resolve { headers[$0] } }
        let stored = StoredSession(
            record: record, items: try items(session: key), generations: generations, headers: headers,
            unfinishedEvents: unfinished, newestOrdinal: newestOrdinal)
        return Store.LoadedSession(
            key: key, ordinal: row["ordinal"], session: stored, tail: tail, lastSequence: log.lastSequence,
            oldestSequence: try log.oldestSequence, epochs: log.epochs)
    }

    /// Response headers by their ordinals in the session.
    func headers(session key: Int, _ ordinals: Set<Int>) throws -> [Int: ResponseHeader] {
        guard let id = try String.fetchOne(db, sql: "SELECT id FROM sessions WHERE key = ?", arguments: [key]) else { return [:] }
        var headers: [Int: ResponseHeader] = [:]
        let statement = try db.cachedStatement(
            sql: "SELECT ordinal, id, status, record FROM responses WHERE session = ? AND ordinal = ?")
        for ordinal in ordinals {
            guard let row = try Row.fetchOne(statement, arguments: [key, ordinal]) else { continue }
            headers[ordinal] = ResponseHeader(try GenerationRecord(row), sessionID: id)
        }
        return headers
    }

    /// One page of sessions. An unreadable row is skipped: it must not hide the others.
    /// - Parameters:
    ///   - tails: sequence numbers of the last events in the tail, at this state of the database or before.
    ///   - onBroken: gets the key of each skipped row and the error.
    func list(
        owner: String, before ordinal: Int?, limit: Int, tails: [Int: Int], onBroken: (Int, any Error) -> Void
    ) throws -> [Store.SessionSummary] {
        let rows = try Row.fetchCursor(
            db,
            sql: """
                SELECT *, (SELECT max(last) FROM event_chunks WHERE session = sessions.key) AS last FROM sessions
                WHERE owner = ? AND ordinal < ? ORDER BY ordinal DESC
                """, arguments: [owner, ordinal ?? Int.max])
        var summaries: [Store.SessionSummary] = []
        while summaries.count < limit, let row = try rows.next() {
            do {
                let epochs = try EventTable.epochs(row["key"], db)
                summaries.append(
                    Store.SessionSummary(
                        record: try Self.record(row), ordinal: row["ordinal"],
                        lastPosition: epochs.position(of: max(row["last"] ?? 0, tails[row["key"]] ?? 0))))
            } catch {
                onBroken(row["key"], error)
            }
        }
        return summaries
    }

    private static func record(_ row: Row) throws -> SessionRecord {
        guard let mode = InterjectionMode(rawValue: row["mode"]), let policy = DisconnectPolicy(text: row["policy"]) else {
            throw MalformedRecord(record: "session")
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
            try Item(id: row["id"], status: row["status"], body: row["body"], chatMessage: row["chat_message"])
        }
    }
}

extension GenerationRecord {
    /// Decodes a row; a deleted response as it was.
    init(_ row: Row) throws {
        let record = try JSONValue.column(row["record"])
        let deleted = record["deleted"]
        let ordinal: Int = row["ordinal"]
        // No session reaches this number: the file was modified.
        guard ordinal > 0, ordinal < 1 << 53 else { throw MalformedRecord(record: "response", member: "ordinal") }
        try self.init(
            id: deleted?["id"]?.string ?? row["id"], ordinal: ordinal, status: deleted?["status"]?.string ?? row["status"],
            stored: record)
    }
}

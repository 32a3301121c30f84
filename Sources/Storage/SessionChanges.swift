import GRDB
import GRDBSQLite
public import JSON
public import Sessions

/// What happened in the sessions of one loop during a turn: made durable together, in its order.
public struct SessionChanges: Sendable {
    private enum Operation: Sendable {
        case session(key: Int, SessionRecord, ordinal: Int)
        case event(session: Int, response: Int, LogEvent)
        case items(session: Int, [Item], position: Int)
        case response(key: Int, session: Int, GenerationRecord, now: Int)
        case itemDeletion(session: Int, position: Int)
        case metadata(session: Int, JSONValue)
        case responseDeletion(key: Int)
        case deletion(session: Int)
    }

    private var operations: [Operation] = []
    /// Bytes that it holds until it is written, near enough.
    public private(set) var byteCount = 0

    public init() {}

    public var isEmpty: Bool { operations.isEmpty }

    /// A session was made.
    /// - Parameters:
    ///   - key: from ``Store/makeKey()``.
    ///   - ordinal: its place among all by age.
    public mutating func insert(_ record: SessionRecord, key: Int, ordinal: Int) {
        operations.append(.session(key: key, record, ordinal: ordinal))
        byteCount += 1024
    }

    /// - Parameter response: key of the response that it is part of; 0 for none.
    public mutating func append(_ event: LogEvent, session: Int, response: Int) {
        operations.append(.event(session: session, response: response, event))
        byteCount += event.byteCount
    }

    public mutating func insert(_ items: [Item], session: Int, position: Int) {
        operations.append(.items(session: session, items, position: position))
        byteCount += items.count * 1024
    }

    /// - Parameter now: seconds since 1970.
    public mutating func put(_ record: GenerationRecord, key: Int, session: Int, now: Int) {
        operations.append(.response(key: key, session: session, record, now: now))
        byteCount += 2048
    }

    /// An item was taken out of a conversation; those after it move up.
    public mutating func deleteItem(session: Int, position: Int) {
        operations.append(.itemDeletion(session: session, position: position))
        byteCount += 64
    }

    public mutating func setMetadata(_ metadata: JSONValue, session: Int) {
        operations.append(.metadata(session: session, metadata))
        byteCount += 1024
    }

    /// A response was deleted; its events stay in the log.
    public mutating func delete(response key: Int) {
        operations.append(.responseDeletion(key: key))
        byteCount += 64
    }

    /// A session was deleted, with all that belongs to it.
    public mutating func delete(session: Int) {
        operations.append(.deletion(session: session))
        byteCount += 64
    }

    // MARK: Writing

    func apply(to db: Database) throws {
        let event = try db.cachedStatement(
            sql: """
                INSERT INTO events (session, sequence, response, response_sequence, delta_start, delta_end, output_index, payload)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                """)
        for operation in operations {
            switch operation {
            case .event(let session, let response, let logEvent):
                try Self.insert(logEvent, session: session, response: response, event, db)
            case .session(let key, let record, let ordinal):
                try db.cachedStatement(
                    sql: """
                        INSERT INTO sessions
                            (key, id, owner, ordinal, created_at, used_at, defaults, mode, policy, metadata, forked_from)
                        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                        """
                ).execute(arguments: [
                    key, record.id, record.owner, ordinal, record.createdAt, record.createdAt, record.defaults.stored.columnText,
                    record.mode.rawValue, record.policy.text, record.metadata.columnText, record.forkedFrom,
                ])
            case .items(let session, let items, let position):
                let statement = try db.cachedStatement(
                    sql: "INSERT INTO items (session, position, id, status, body, chat_message) VALUES (?, ?, ?, ?, ?, ?)")
                for (index, item) in items.enumerated() {
                    try statement.execute(arguments: [
                        session, position + index, item.id, item.status.rawValue, JSONValue.object(item.body).columnText,
                        item.chatMessage?.columnText,
                    ])
                }
            case .response(let key, let session, let record, let now):
                try db.cachedStatement(
                    sql: """
                        INSERT INTO responses (key, id, session, status, record) VALUES (?, ?, ?, ?, ?)
                        ON CONFLICT (key) DO UPDATE SET status = excluded.status, record = excluded.record
                        """
                ).execute(arguments: [key, record.id, session, record.status.name, record.stored.columnText])
                try db.cachedStatement(sql: "UPDATE sessions SET used_at = ? WHERE key = ?").execute(arguments: [now, session])
            case .itemDeletion(let session, let position): try Self.deleteItem(session, position, db)
            case .metadata(let session, let metadata):
                try db.cachedStatement(sql: "UPDATE sessions SET metadata = ? WHERE key = ?")
                    .execute(arguments: [metadata.columnText, session])
            case .responseDeletion(let key):
                // Its number stays taken: events of the log bear it, and must never pass for another response's.
                try db.cachedStatement(
                    sql: "UPDATE responses SET id = 'deleted ' || key, status = 'deleted', record = '{}' WHERE key = ?"
                ).execute(arguments: [key])
            case .deletion(let session): try Self.delete(session, db)
            }
        }
    }

    /// Token path: binds without boxes.
    private static func insert(
        _ event: LogEvent, session: Int, response: Int, _ statement: Statement, _ db: Database
    ) throws {
        let raw = statement.sqliteStatement
        sqlite3_reset(raw)
        sqlite3_bind_int64(raw, 1, Int64(session))
        sqlite3_bind_int64(raw, 2, Int64(event.sequence))
        if response == 0 { sqlite3_bind_null(raw, 3) } else { sqlite3_bind_int64(raw, 3, Int64(response)) }
        sqlite3_bind_int64(raw, 4, Int64(event.responseSequence))
        sqlite3_bind_int64(raw, 5, Int64(event.delta.lowerBound))
        sqlite3_bind_int64(raw, 6, Int64(event.delta.upperBound))
        sqlite3_bind_int64(raw, 7, Int64(event.outputIndex))
        let code = event.payload.withUnsafeBytes { payload in
            // The bytes outlive the step: no copy is made.
            sqlite3_bind_blob(raw, 8, payload.baseAddress, Int32(payload.count), nil)
            return sqlite3_step(raw)
        }
        sqlite3_reset(raw)
        guard code == SQLITE_DONE else {
            throw DatabaseError(
                resultCode: ResultCode(rawValue: code), message: String(cString: sqlite3_errmsg(db.sqliteConnection)))
        }
    }

    private static func deleteItem(_ session: Int, _ position: Int, _ db: Database) throws {
        try db.cachedStatement(sql: "DELETE FROM items WHERE session = ? AND position = ?")
            .execute(arguments: [session, position])
        // In two steps, by numbers below zero: rows are changed one by one, and no two may have the same key at any time.
        try db.cachedStatement(sql: "UPDATE items SET position = -position WHERE session = ? AND position > ?")
            .execute(arguments: [session, position])
        try db.cachedStatement(sql: "UPDATE items SET position = -position - 1 WHERE session = ? AND position < 0")
            .execute(arguments: [session])
    }

    static func delete(_ session: Int, _ db: Database) throws {
        for table in ["events", "items", "responses"] {
            try db.cachedStatement(sql: "DELETE FROM \(table) WHERE session = ?").execute(arguments: [session])
        }
        try db.cachedStatement(sql: "DELETE FROM sessions WHERE key = ?").execute(arguments: [session])
    }
}

import GRDB
import GRDBSQLite
import Sessions

/// The tables of the log and their statements.
///
/// A commit appends the new events of all sessions as one row of `event_tail`, which costs a page or two whatever the number of
/// sessions. Each session's events move on to `event_chunks` in pieces (``EventTail``); reads use these.
enum EventTable {
    static func make(_ db: Database) throws {
        try db.execute(
            sql: """
                -- The log: consecutive events of one session in a row, from `first` to `last`; no gaps. `payload` as in memory.
                CREATE TABLE event_chunks (
                    key INTEGER PRIMARY KEY,
                    session INTEGER NOT NULL,
                    first INTEGER NOT NULL,
                    last INTEGER NOT NULL,
                    payload BLOB NOT NULL
                ) STRICT;
                CREATE INDEX event_chunks_by_place ON event_chunks (session, last, first);

                -- The newest events of all sessions, a row for each commit; here until they are in `event_chunks`. Keys grow for ever.
                CREATE TABLE event_tail (key INTEGER PRIMARY KEY, payload BLOB NOT NULL) STRICT;
                """)
    }

    static func insert(_ chunk: EventChunk, _ db: Database) throws {
        let statement = try db.cachedStatement(
            sql: "INSERT INTO event_chunks (session, first, last, payload) VALUES (?, ?, ?, ?)")
        try run(statement, integers: [chunk.session, chunk.first, chunk.last], blob: chunk.bytes, db)
    }

    static func insertTail(_ key: Int, _ image: [UInt8], _ db: Database) throws {
        let statement = try db.cachedStatement(sql: "INSERT INTO event_tail (key, payload) VALUES (?, ?)")
        try run(statement, integers: [key], blob: image, db)
    }

    static func deleteTail(upTo key: Int, _ db: Database) throws {
        try db.cachedStatement(sql: "DELETE FROM event_tail WHERE key <= ?").execute(arguments: [key])
    }

    /// Sequence number of a session's last event in chunks; 0 if none.
    static func lastSequence(_ session: Int, _ db: Database) throws -> Int {
        let statement = try db.cachedStatement(sql: "SELECT max(last) FROM event_chunks WHERE session = ?")
        return try Int.fetchOne(statement, arguments: [session]) ?? 0
    }

    /// The epochs of a session's log.
    static func epochs(_ session: Int, _ db: Database) throws -> LogEpochs {
        let statement = try db.cachedStatement(sql: "SELECT epoch, first FROM session_epochs WHERE session = ? ORDER BY first")
        let rows = try Row.fetchAll(statement, arguments: [session])
        return LogEpochs(rows.map { LogEpochs.Start(epoch: $0["epoch"], sequence: $0["first"]) })
    }

    /// Runs a statement with its blob bound in place: no copy, no boxing.
    private static func run(_ statement: Statement, integers: [Int], blob: [UInt8], _ db: Database) throws {
        let raw = statement.sqliteStatement
        sqlite3_reset(raw)
        for (index, value) in integers.enumerated() { sqlite3_bind_int64(raw, Int32(index + 1), Int64(value)) }
        let code = blob.withUnsafeBytes { blob in
            sqlite3_bind_blob64(raw, Int32(integers.count + 1), blob.baseAddress, UInt64(blob.count), nil)
            return sqlite3_step(raw)
        }
        let message = code == SQLITE_DONE ? "" : String(cString: sqlite3_errmsg(db.sqliteConnection))
        sqlite3_reset(raw)
        sqlite3_clear_bindings(raw)
        guard code == SQLITE_DONE else { throw DatabaseError(resultCode: ResultCode(rawValue: code), message: message) }
    }
}

import GRDB
public import JSON
public import Sessions

/// What happened in the sessions of one loop during an iteration: committed together, in its order.
public struct SessionChanges: Sendable {
    private enum Operation: Sendable {
        case session(key: Int, SessionRecord, ordinal: Int)
        case items(session: Int, [Item], position: Int, now: Int)
        case response(session: Int, GenerationRecord, now: Int)
        case itemInsertion(session: Int, [Item], position: Int, now: Int)
        case itemReplacement(session: Int, Item, position: Int, now: Int)
        case itemDeletion(session: Int, position: Int, now: Int)
        case metadata(session: Int, JSONValue, now: Int)
        case responseDeletion(id: String)
    }

    /// Runs of events for which room is retained: what a busy loop has in a few milliseconds.
    static let maxRetainedRunCount = 4096

    private var operations: [Operation] = []
    /// Events of all sessions.
    private var runs: [EventRun] = []
    private var deletedSessions: [Int] = []
    /// Bytes that it holds until it is written, near enough.
    public private(set) var byteCount = 0

    public init() {}

    public var isEmpty: Bool { operations.isEmpty && runs.isEmpty && deletedSessions.isEmpty }

    /// A session was made.
    /// - Parameters:
    ///   - key: from ``Store/makeKey()``.
    ///   - ordinal: its place among all by age.
    public mutating func insert(_ record: SessionRecord, key: Int, ordinal: Int) {
        operations.append(.session(key: key, record, ordinal: ordinal))
        byteCount += 1024
    }

    /// - Parameter session: key of its session.
    public mutating func append(_ event: SessionEvent, session: Int) {
        byteCount += event.byteCount
        let last = runs.count - 1
        if last >= 0, runs[last].session == session, runs[last].extend(with: event) { return }
        runs.append(EventRun(event, session: session))
    }

    /// - Parameter now: seconds since 1970, as everywhere here: retention goes by it.
    public mutating func insert(_ items: [Item], session: Int, position: Int, now: Int) {
        operations.append(.items(session: session, items, position: position, now: now))
        byteCount += items.count * 1024
    }

    /// - Parameter now: seconds since 1970.
    public mutating func put(_ record: GenerationRecord, session: Int, now: Int) {
        operations.append(.response(session: session, record, now: now))
        byteCount += 2048
    }

    /// Items were put between others: in the positions from this one on.
    /// - Parameter now: seconds since 1970.
    public mutating func insertBetween(_ items: [Item], session: Int, position: Int, now: Int) {
        operations.append(.itemInsertion(session: session, items, position: position, now: now))
        byteCount += items.count * 1024
    }

    /// Another item stands in the position of one.
    /// - Parameter now: seconds since 1970.
    public mutating func replace(_ item: Item, session: Int, position: Int, now: Int) {
        operations.append(.itemReplacement(session: session, item, position: position, now: now))
        byteCount += 1024
    }

    /// An item was taken out of a conversation; those after it move up.
    public mutating func deleteItem(session: Int, position: Int, now: Int) {
        operations.append(.itemDeletion(session: session, position: position, now: now))
        byteCount += 64
    }

    public mutating func setMetadata(_ metadata: JSONValue, session: Int, now: Int) {
        operations.append(.metadata(session: session, metadata, now: now))
        byteCount += 1024
    }

    /// A response was deleted; its events stay in the log.
    public mutating func delete(response id: String) {
        operations.append(.responseDeletion(id: id))
        byteCount += 64
    }

    /// A session was deleted, with all that belongs to it.
    public mutating func delete(session: Int) {
        deletedSessions.append(session)
        byteCount += 64
    }

    /// Forgets all, but keeps room for as much.
    mutating func removeAll() {
        operations.removeAll(keepingCapacity: true)
        runs.removeAll(keepingCapacity: runs.capacity <= Self.maxRetainedRunCount)
        deletedSessions.removeAll()
        byteCount = 0
    }

    /// Takes in what happened later.
    mutating func append(_ later: SessionChanges) {
        runs.append(contentsOf: later.runs)
        operations.append(contentsOf: later.operations)
        deletedSessions.append(contentsOf: later.deletedSessions)
        byteCount += later.byteCount
    }

    // MARK: Writing

    /// - Parameter tail: takes the events, and writes them at the end of the transaction.
    func apply(to db: Database, _ tail: EventTail) throws {
        // Whatever is written to a session is a use of it; told once for each, however much was written.
        var uses: [Int: Int] = [:]
        for operation in operations {
            switch operation {
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
            case .items(let session, let items, let position, let now):
                uses[session] = now
                try Self.insert(items, session, at: try Self.nextPosition(session, count: position, db), db)
            case .itemInsertion(let session, let items, let position, let now):
                uses[session] = now
                try Self.insert(items, session, at: try Self.makeRoom(session, position, count: items.count, db), db)
            case .itemReplacement(let session, let item, let position, let now):
                uses[session] = now
                try db.cachedStatement(
                    sql: """
                        UPDATE items SET status = ?3, body = ?4, chat_message = ?5 WHERE session = ?1 AND position =
                            (SELECT position FROM items WHERE session = ?1 ORDER BY position LIMIT 1 OFFSET ?2)
                        """
                ).execute(arguments: [
                    session, position, item.status.rawValue, JSONValue.object(item.body).columnText, item.chatMessage?.columnText,
                ])
            case .response(let session, let record, let now):
                try db.cachedStatement(
                    sql: """
                        INSERT INTO responses (session, ordinal, id, status, record) VALUES (?, ?, ?, ?, ?)
                        ON CONFLICT (session, ordinal) DO UPDATE SET status = excluded.status, record = excluded.record
                        WHERE status <> 'deleted'
                        """
                ).execute(arguments: [session, record.ordinal, record.id, record.status.name, record.stored.columnText])
                uses[session] = now
            case .itemDeletion(let session, let position, let now):
                uses[session] = now
                try Self.deleteItem(session, position, db)
            case .metadata(let session, let metadata, let now):
                uses[session] = now
                try db.cachedStatement(sql: "UPDATE sessions SET metadata = ? WHERE key = ?")
                    .execute(arguments: [metadata.columnText, session])
            case .responseDeletion(let id):
                try IdempotencyStore.erase([id], db)
                // Events of the log are of it, and stay: what they need of it stays with them, found by nobody.
                try db.cachedStatement(
                    sql: """
                        UPDATE responses SET id = 'deleted ' || key, status = 'deleted', record = json_set(
                            record, '$.deleted', json_object('id', id, 'status', status), '$.input', json('[]'),
                            '$.pending_steers', json('[]'))
                        WHERE id = ?
                        """
                ).execute(arguments: [id])
            }
        }
        for (session, now) in uses {
            try db.cachedStatement(sql: "UPDATE sessions SET used_at = ? WHERE key = ?").execute(arguments: [now, session])
        }
        if !runs.isEmpty { try tail.append(runs, db) }
        // Nothing happens to a session after its deletion.
        for session in deletedSessions { try Self.delete(session, db, tail) }
    }

    /// Leaves a gap in the numbers: to move up what comes after would rewrite a whole conversation for each of its items, and have
    /// everybody's commits wait for it.
    /// - Parameter position: how many stand before it.
    private static func deleteItem(_ session: Int, _ position: Int, _ db: Database) throws {
        try db.cachedStatement(
            sql: """
                DELETE FROM items WHERE session = ?1 AND position =
                    (SELECT position FROM items WHERE session = ?1 ORDER BY position LIMIT 1 OFFSET ?2)
                """
        ).execute(arguments: [session, position])
    }

    private static func insert(_ items: [Item], _ session: Int, at first: Int, _ db: Database) throws {
        let statement = try db.cachedStatement(
            sql: "INSERT INTO items (session, position, id, status, body, chat_message) VALUES (?, ?, ?, ?, ?, ?)")
        for (index, item) in items.enumerated() {
            try statement.execute(arguments: [
                session, first + index, item.id, item.status.rawValue, JSONValue.object(item.body).columnText,
                item.chatMessage?.columnText,
            ])
        }
    }

    /// Moves items down for others that come between.
    /// - Parameter position: how many stand before those.
    /// - Returns: the number of the first of them.
    private static func makeRoom(_ session: Int, _ position: Int, count: Int, _ db: Database) throws -> Int {
        let number = try Int.fetchOne(
            db.cachedStatement(sql: "SELECT position FROM items WHERE session = ? ORDER BY position LIMIT 1 OFFSET ?"),
            arguments: [session, position])
        guard let number else { return try nextPosition(session, count: position, db) }
        // By way of negative numbers: each must be unique at every moment.
        try db.cachedStatement(sql: "UPDATE items SET position = -(position + ?3) - 1 WHERE session = ?1 AND position >= ?2")
            .execute(arguments: [session, number, count])
        try db.cachedStatement(sql: "UPDATE items SET position = -position - 1 WHERE session = ? AND position < 0")
            .execute(arguments: [session])
        return number
    }

    /// The number of an item that is added at the end.
    /// - Parameter count: items that there are: the number, unless some were deleted.
    private static func nextPosition(_ session: Int, count: Int, _ db: Database) throws -> Int {
        let last = try Int.fetchOne(
            db.cachedStatement(sql: "SELECT max(position) FROM items WHERE session = ?"), arguments: [session])
        return max(count, (last ?? -1) + 1)
    }

    static func delete(_ session: Int, _ db: Database, _ tail: EventTail) throws {
        tail.delete(session: session)
        if let id = try String.fetchOne(
            db.cachedStatement(sql: "SELECT id FROM sessions WHERE key = ?"), arguments: [session])
        {
            try IdempotencyStore.erase([id], db)
        }
        for table in ["event_chunks", "session_epochs", "items", "responses"] {
            try db.cachedStatement(sql: "DELETE FROM \(table) WHERE session = ?").execute(arguments: [session])
        }
        try db.cachedStatement(sql: "DELETE FROM sessions WHERE key = ?").execute(arguments: [session])
    }
}

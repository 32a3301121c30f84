import GRDB
public import JSON
public import Sessions

/// The changes to one loop's sessions during an iteration, in order; committed together.
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

    /// Capacity for runs of events that is retained: a busy loop's runs of a few milliseconds.
    static let maxRetainedRunCount = 4096

    private var operations: [Operation] = []
    /// Events of all sessions.
    private var runs: [EventRun] = []
    private var deletedSessions: [Int] = []
    /// Approximate memory occupied until the changes are written, in bytes.
    public private(set) var byteCount = 0

    /// No changes.
    public init() {}

    /// Whether there is nothing to commit.
    public var isEmpty: Bool { operations.isEmpty && runs.isEmpty && deletedSessions.isEmpty }

    /// A session was created.
    /// - Parameters:
    ///   - key: from ``Store/makeKey()``.
    ///   - ordinal: index among all sessions by age.
    public mutating func insert(_ record: SessionRecord, key: Int, ordinal: Int) {
        operations.append(.session(key: key, record, ordinal: ordinal))
        byteCount += 1024
    }

    /// An event was appended to the log.
    /// - Parameter session: key of the session.
    public mutating func append(_ event: SessionEvent, session: Int) {
        byteCount += event.byteCount
        let last = runs.count - 1
        if last >= 0, runs[last].session == session, runs[last].extend(with: event) { return }
        runs.append(EventRun(event, session: session))
    }

    /// Items were appended to a conversation.
    /// - Parameter now: seconds since 1970, as in all changes; retention uses it.
    public mutating func insert(_ items: [Item], session: Int, position: Int, now: Int) {
        operations.append(.items(session: session, items, position: position, now: now))
        byteCount += items.count * 1024
    }

    /// A response was created or has changed.
    /// - Parameter now: seconds since 1970.
    public mutating func put(_ record: GenerationRecord, session: Int, now: Int) {
        operations.append(.response(session: session, record, now: now))
        byteCount += 2048
    }

    /// Items were inserted into a conversation; `position` is the index of the first.
    /// - Parameter now: seconds since 1970.
    public mutating func insertBetween(_ items: [Item], session: Int, position: Int, now: Int) {
        operations.append(.itemInsertion(session: session, items, position: position, now: now))
        byteCount += items.count * 1024
    }

    /// The item at `position` was replaced.
    /// - Parameter now: seconds since 1970.
    public mutating func replace(_ item: Item, session: Int, position: Int, now: Int) {
        operations.append(.itemReplacement(session: session, item, position: position, now: now))
        byteCount += 1024
    }

    /// An item was deleted from a conversation; those after it move up.
    public mutating func deleteItem(session: Int, position: Int, now: Int) {
        operations.append(.itemDeletion(session: session, position: position, now: now))
        byteCount += 64
    }

    /// A session's metadata was replaced.
    public mutating func setMetadata(_ metadata: JSONValue, session: Int, now: Int) {
        operations.append(.metadata(session: session, metadata, now: now))
        byteCount += 1024
    }

    /// A response was deleted; its events stay in the log.
    public mutating func delete(response id: String) {
        operations.append(.responseDeletion(id: id))
        byteCount += 64
    }

    /// A session was deleted with everything that belongs to it.
    public mutating func delete(session: Int) {
        deletedSessions.append(session)
        byteCount += 64
    }

    /// Removes all changes but retains capacity.
    mutating func removeAll() {
        operations.removeAll(keepingCapacity: true)
        runs.removeAll(keepingCapacity: runs.capacity <= Self.maxRetainedRunCount)
        deletedSessions.removeAll()
        byteCount = 0
    }

    /// Appends later changes.
    mutating func append(_ later: SessionChanges) {
        runs.append(contentsOf: later.runs)
        operations.append(contentsOf: later.operations)
        deletedSessions.append(contentsOf: later.deletedSessions)
        byteCount += later.byteCount
    }

    // MARK: Writing

    /// - Parameter tail: gathers the events and writes them at the end of the transaction.
    func apply(to db: Database, _ tail: EventTail) throws {
        // Every change to a session counts as a use; written once for each session, however many changes there are.
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
                // Events in the log refer to it and stay, so the members that they need stay too, unreachable through the API.
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
        // Nothing follows the deletion of a session.
        for session in deletedSessions { try Self.delete(session, db, tail) }
    }

    /// Leaves a gap in the stored positions: moving up the items behind it would rewrite a whole conversation for each deletion,
    /// while all commits wait.
    /// - Parameter position: number of items before it.
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

    /// Moves items down to insert others.
    /// - Parameter position: number of items before the inserted ones.
    /// - Returns: stored position of the first inserted item.
    private static func makeRoom(_ session: Int, _ position: Int, count: Int, _ db: Database) throws -> Int {
        let number = try Int.fetchOne(
            db.cachedStatement(sql: "SELECT position FROM items WHERE session = ? ORDER BY position LIMIT 1 OFFSET ?"),
            arguments: [session, position])
        guard let number else { return try nextPosition(session, count: position, db) }
        // Through negative numbers, since positions must be unique at every moment.
        try db.cachedStatement(sql: "UPDATE items SET position = -(position + ?3) - 1 WHERE session = ?1 AND position >= ?2")
            .execute(arguments: [session, number, count])
        try db.cachedStatement(sql: "UPDATE items SET position = -position - 1 WHERE session = ? AND position < 0")
            .execute(arguments: [session])
        return number
    }

    /// The stored position of an appended item.
    /// - Parameter count: number of items, which is the position unless some were deleted.
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

import Foundation
import GRDB

/// A command with an idempotency key, and its answer.
public struct IdempotencyRecord: Sendable, Hashable {
    /// The principal that sent the command.
    public var owner: String
    /// The idempotency key; unique for an owner.
    public var key: String
    /// Digest of the command.
    public var fingerprint: [UInt8]
    /// The response that the command began; nil for a command whose answer is stored whole.
    public var responseID: String?
    /// The answer, once there is one.
    public var answer: [UInt8]?
    /// HTTP status of ``answer``; without an answer, it means that the answer was erased.
    public var status: Int?
    /// The object that ``answer`` describes and is deleted with: a session, conversation, file or batch.
    public var object: String?
    /// The response that ``answer`` quotes and is deleted with.
    public var quoted: String?
    /// Seconds since 1970.
    public var createdAt: Int

    /// A record of a command without an answer yet.
    public init(owner: String, key: String, fingerprint: [UInt8], responseID: String?, createdAt: Int) {
        self.owner = owner
        self.key = key
        self.fingerprint = fingerprint
        self.responseID = responseID
        self.createdAt = createdAt
    }

    /// Whether the command was answered and its answer deleted with the object that it described.
    public var isErased: Bool { answer == nil && status != nil }

    /// Deletes the answer but not the key, so that a retry does not carry out the command again.
    public mutating func erase() {
        answer = nil
        status = Self.erasedStatus
        object = nil
        quoted = nil
    }

    /// 410 Gone: the status of a retry's answer.
    static let erasedStatus = 410
}

/// Idempotency keys in a store.
public struct IdempotencyStore: Sendable {
    /// Maximum number of rows in one change: other changes wait a few milliseconds for it.
    public static let maxRowsAtATime = 500

    private let store: Store

    /// The idempotency keys in `store`.
    public init(_ store: Store) { self.store = store }

    /// Why nothing can be written at present; nil if writes succeed.
    public var failure: StorageError? { store.failure }

    /// Stores a record; replaces one with the same owner and key. If the object that the answer describes does not exist, or no
    /// longer does, the answer is stored as erased.
    /// - Parameter then: called on the store's own thread once the record is committed; never if the store was closed before.
    public func put(_ record: IdempotencyRecord, then: @escaping @Sendable () -> Void = {}) {
        store.write { db in
            var record = record
            if record.answer != nil, try !Self.isThere(record, db) { record.erase() }
            try db.cachedStatement(
                sql: """
                    INSERT OR REPLACE INTO idempotency_keys
                        (owner, key, fingerprint, response, answer, status, object, quoted, created_at)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
                    """
            ).execute(arguments: [
                record.owner, record.key, data(record.fingerprint), record.responseID, record.answer.map(data), record.status,
                record.object, record.quoted, record.createdAt,
            ])
        } then: { result in
            if case .failure(.closed) = result { return }
            then()
        }
    }

    /// Removes records, except those whose key has been reused since.
    public func remove(_ records: [IdempotencyRecord]) {
        if records.isEmpty { return }
        let names = records.map { ($0.owner, $0.key, $0.createdAt) }
        store.write("the removal of idempotency keys") { db in
            let statement = try db.cachedStatement(
                sql: "DELETE FROM idempotency_keys WHERE owner = ? AND key = ? AND created_at = ?")
            for (owner, key, createdAt) in names { try statement.execute(arguments: [owner, key, createdAt]) }
        }
    }

    /// Removes the oldest records created before `time`, at most ``maxRowsAtATime``.
    /// - Parameter time: seconds since 1970.
    /// - Returns: the number of removed records.
    public func removeSome(before time: Int) async throws(StorageError) -> Int {
        try await store.write { db in
            try db.execute(
                sql: """
                    DELETE FROM idempotency_keys WHERE (owner, key) IN
                        (SELECT owner, key FROM idempotency_keys WHERE created_at < ? ORDER BY created_at LIMIT ?)
                    """, arguments: [time, Self.maxRowsAtATime])
            return db.changesCount
        }
    }

    /// Loads the answered records created since `time`, oldest first: the newest ones within the limits. All others are deleted.
    public func load(since time: Int, limit: Int, maxAnswerBytes: Int) async throws(StorageError) -> [IdempotencyRecord] {
        try await store.write { db in
            // A command without an answer when the process ended may be carried out again.
            try db.execute(
                sql: """
                    DELETE FROM idempotency_keys
                    WHERE created_at < ? OR (response IS NULL AND answer IS NULL AND status IS NULL)
                    """, arguments: [time])
            try db.execute(
                sql: """
                    DELETE FROM idempotency_keys WHERE (owner, key) IN (
                        SELECT owner, key FROM (
                            SELECT owner, key, row_number() OVER newest AS count,
                                sum(coalesce(length(answer), 0)) OVER newest AS bytes
                            FROM idempotency_keys
                            WINDOW newest AS (ORDER BY created_at DESC, owner, key ROWS UNBOUNDED PRECEDING))
                        WHERE count > ? OR bytes > ?)
                    """, arguments: [limit, maxAnswerBytes])
            return try Row.fetchAll(db, sql: "SELECT * FROM idempotency_keys ORDER BY created_at").map(IdempotencyRecord.init)
        }
    }

    // MARK: Erasure

    /// Sets the handler for caches of erased answers.
    /// - Parameter action: called on any thread with the identifiers of the erased objects, except those deleted through a
    ///   session's own log (``SessionChanges``).
    public func onErase(_ action: @escaping @Sendable ([String]) -> Void) { store.onErase(action) }

    /// Erases the answers that describe or quote sessions, files, batches or responses deleted in this transaction.
    static func erase(_ ids: [String], _ db: Database) throws {
        for column in ["object", "quoted"] {
            let statement = try db.cachedStatement(
                sql: """
                    UPDATE idempotency_keys SET answer = NULL, status = \(IdempotencyRecord.erasedStatus), object = NULL, quoted = NULL
                    WHERE \(column) = ?
                    """)
            for id in ids { try statement.execute(arguments: [id]) }
        }
    }

    /// Whether the object that an answer describes is stored. It may have been deleted since the answer was made.
    private static func isThere(_ record: IdempotencyRecord, _ db: Database) throws -> Bool {
        if let quoted = record.quoted, try !exists("responses", quoted, db) { return false }
        guard let object = record.object else { return true }
        for table in ["sessions", "files", "batches"] where try exists(table, object, db) { return true }
        return false
    }

    private static func exists(_ table: String, _ id: String, _ db: Database) throws -> Bool {
        let statement = try db.cachedStatement(sql: "SELECT EXISTS (SELECT 1 FROM \(table) WHERE id = ?)")
        return try Bool.fetchOne(statement, arguments: [id]) ?? false
    }

    // MARK: Tables

    static func makeTable(_ db: Database) throws {
        try db.execute(
            sql: """
                CREATE TABLE idempotency_keys (
                    owner TEXT NOT NULL,
                    key TEXT NOT NULL,
                    fingerprint BLOB NOT NULL,
                    response TEXT,
                    answer BLOB,
                    status INTEGER,
                    created_at INTEGER NOT NULL,
                    object TEXT,
                    quoted TEXT,
                    PRIMARY KEY (owner, key)
                ) STRICT, WITHOUT ROWID;
                CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);
                CREATE INDEX idempotency_keys_by_object ON idempotency_keys (object) WHERE object IS NOT NULL;
                CREATE INDEX idempotency_keys_by_quoted ON idempotency_keys (quoted) WHERE quoted IS NOT NULL;
                """)
    }
}

extension IdempotencyRecord {
    fileprivate init(_ row: Row) {
        self.init(
            owner: row["owner"], key: row["key"], fingerprint: bytes(row["fingerprint"]), responseID: row["response"],
            createdAt: row["created_at"])
        answer = (row["answer"] as Data?).map(bytes)
        status = row["status"]
        object = row["object"]
        quoted = row["quoted"]
    }
}

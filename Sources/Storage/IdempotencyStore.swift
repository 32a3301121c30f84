import Foundation
import GRDB

/// What a client's name for a command stands for: the command, and what came of it.
public struct IdempotencyRecord: Sendable, Hashable {
    public var owner: String
    public var key: String
    /// Digest of the command.
    public var fingerprint: [UInt8]
    /// The response that it began; nil for a command whose answer is kept whole.
    public var responseID: String?
    /// The answer, once there is one.
    public var answer: [UInt8]?
    /// Status of ``answer``.
    public var status: Int?
    /// Seconds since 1970.
    public var createdAt: Int

    public init(owner: String, key: String, fingerprint: [UInt8], responseID: String?, createdAt: Int) {
        self.owner = owner
        self.key = key
        self.fingerprint = fingerprint
        self.responseID = responseID
        self.createdAt = createdAt
    }
}

/// Idempotency keys in a store.
public struct IdempotencyStore: Sendable {
    private let store: Store

    public init(_ store: Store) { self.store = store }

    /// Keeps a record, in the place of one with the same owner and key.
    /// - Parameter then: called on the store's own thread when it is durable; never when the store was closed before.
    public func put(_ record: IdempotencyRecord, then: @escaping @Sendable () -> Void = {}) {
        store.write { db in
            try db.execute(
                sql: "INSERT OR REPLACE INTO idempotency_keys VALUES (?, ?, ?, ?, ?, ?, ?)",
                arguments: [
                    record.owner, record.key, data(record.fingerprint), record.responseID, record.answer.map(data), record.status,
                    record.createdAt,
                ])
        } then: { result in
            if case .failure(.closed) = result { return }
            then()
        }
    }

    public func remove(owner: String, key: String) {
        store.write { db in
            try db.execute(sql: "DELETE FROM idempotency_keys WHERE owner = ? AND key = ?", arguments: [owner, key])
        } then: { _ in
        }
    }

    /// All that were made since a time, the oldest first; older ones go.
    public func load(since time: Int, limit: Int) async throws(StorageError) -> [IdempotencyRecord] {
        try await store.write { db in
            try db.execute(sql: "DELETE FROM idempotency_keys WHERE created_at < ?", arguments: [time])
            return try Row.fetchAll(
                db, sql: "SELECT * FROM (SELECT * FROM idempotency_keys ORDER BY created_at DESC LIMIT ?) ORDER BY created_at",
                arguments: [limit]
            ).map { row in
                var record = IdempotencyRecord(
                    owner: row["owner"], key: row["key"], fingerprint: bytes(row["fingerprint"]), responseID: row["response"],
                    createdAt: row["created_at"])
                record.answer = (row["answer"] as Data?).map(bytes)
                record.status = row["status"]
                return record
            }
        }
    }

    static func migrate(_ db: Database) throws {
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
                    PRIMARY KEY (owner, key)
                ) STRICT, WITHOUT ROWID;
                CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);
                """)
    }
}

import Foundation
import GRDB

/// The tables of API keys and their queries.
enum APIKeyTable {
    static func make(_ db: Database) throws {
        try db.execute(
            sql: """
                -- Rows are never deleted: a server that had a key once is not open to everybody when it is revoked.
                CREATE TABLE api_keys (
                    id TEXT PRIMARY KEY,
                    hash BLOB NOT NULL UNIQUE,
                    previous_hash BLOB,
                    previous_until INTEGER,
                    hint TEXT NOT NULL,
                    name TEXT NOT NULL,
                    owner TEXT NOT NULL,
                    scopes TEXT NOT NULL,
                    created_at INTEGER NOT NULL,
                    expires_at INTEGER,
                    revoked_at INTEGER,
                    last_used_at INTEGER,
                    requests_per_minute INTEGER,
                    tokens_per_minute INTEGER,
                    max_concurrent INTEGER,
                    cut_as TEXT
                ) STRICT;

                -- Counts changes, so that a server sees cheaply that another process made one.
                CREATE TABLE revisions (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
                INSERT INTO revisions VALUES ('api_keys', 1);
                CREATE TRIGGER api_keys_inserted AFTER INSERT ON api_keys
                    BEGIN UPDATE revisions SET value = value + 1 WHERE name = 'api_keys'; END;
                -- Not for the time of the last use, which the server itself notes.
                CREATE TRIGGER api_keys_updated
                    AFTER UPDATE OF hash, previous_hash, previous_until, owner, scopes, expires_at, revoked_at,
                        requests_per_minute, tokens_per_minute, max_concurrent ON api_keys
                    BEGIN UPDATE revisions SET value = value + 1 WHERE name = 'api_keys'; END;

                -- What the server signs with.
                CREATE TABLE secrets (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
                """)
    }

    static func revision(_ db: Database) throws -> Int {
        try Int.fetchOne(db, sql: "SELECT value FROM revisions WHERE name = 'api_keys'") ?? 0
    }

    /// All keys, oldest first.
    static func all(_ db: Database) throws -> [APIKeyRecord] {
        try Row.fetchAll(db, sql: "SELECT * FROM api_keys ORDER BY created_at, id").map(record)
    }

    static func insert(_ key: APIKeyRecord, _ db: Database) throws {
        try db.execute(
            sql: """
                INSERT INTO api_keys (id, hash, hint, name, owner, scopes, created_at, expires_at,
                    requests_per_minute, tokens_per_minute, max_concurrent, cut_as) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                key.id, data(key.hash), key.hint, key.name, key.owner, key.scopes, key.createdAt, key.expiresAt,
                key.requestsPerMinute, key.tokensPerMinute, key.maxConcurrent, key.cutAs,
            ])
    }

    static func revoke(_ id: String, at time: Int, _ db: Database) throws {
        try db.execute(
            sql:
                "UPDATE api_keys SET revoked_at = ?, previous_hash = NULL, previous_until = NULL WHERE id = ? AND revoked_at IS NULL",
            arguments: [time, id])
    }

    /// - Parameter previousUntil: when the previous secret expires, in seconds since 1970; nil revokes it at once.
    static func rotate(_ id: String, hash: [UInt8], hint: String, previousUntil: Int?, _ db: Database) throws {
        try db.execute(
            sql: """
                UPDATE api_keys SET previous_hash = CASE WHEN ?1 IS NULL THEN NULL ELSE hash END, previous_until = ?1, hash = ?2,
                    hint = ?3 WHERE id = ?4
                """,
            arguments: [previousUntil, data(hash), hint, id])
    }

    static func noteUse(_ id: String, at time: Int, _ db: Database) throws {
        try db.execute(sql: "UPDATE api_keys SET last_used_at = ? WHERE id = ?", arguments: [time, id])
    }

    static func secret(_ name: String, else new: [UInt8], _ db: Database) throws -> [UInt8] {
        try db.execute(sql: "INSERT INTO secrets VALUES (?, ?) ON CONFLICT DO NOTHING", arguments: [name, data(new)])
        return try Row.fetchOne(db, sql: "SELECT value FROM secrets WHERE name = ?", arguments: [name]).map { bytes($0["value"]) }
            ?? new
    }

    private static func record(_ row: Row) -> APIKeyRecord {
        var key = APIKeyRecord(
            id: row["id"], hash: bytes(row["hash"]), hint: row["hint"], name: row["name"], owner: row["owner"],
            scopes: row["scopes"], createdAt: row["created_at"])
        key.previousHash = (row["previous_hash"] as Data?).map(bytes)
        key.previousUntil = row["previous_until"]
        key.expiresAt = row["expires_at"]
        key.revokedAt = row["revoked_at"]
        key.lastUsedAt = row["last_used_at"]
        key.requestsPerMinute = row["requests_per_minute"]
        key.tokensPerMinute = row["tokens_per_minute"]
        key.maxConcurrent = row["max_concurrent"]
        key.cutAs = row["cut_as"]
        return key
    }
}

import GRDB
public import Jobs

extension Store: FileStore {
    public func insert(_ file: StoredFile) async throws(JobError) {
        try await change { db in try Self.insert(file, db) }
    }

    static func insert(_ file: StoredFile, _ db: Database) throws {
        try db.execute(
            sql: """
                INSERT INTO files (id, owner, purpose, filename, bytes, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [file.id, file.owner, file.purpose, file.filename, file.byteCount, file.createdAt, file.expiresAt])
    }

    public func file(_ id: String, owner: String, now: Int) async throws(JobError) -> StoredFile? {
        try await look { db in
            try Row.fetchOne(
                db, sql: "SELECT * FROM files WHERE id = ? AND owner = ? AND (expires_at IS NULL OR expires_at > ?)",
                arguments: [id, owner, now]
            ).map(StoredFile.init)
        }
    }

    public func files(_ query: FileQuery, now: Int) async throws(JobError) -> [StoredFile]? {
        try await look { db in
            var place: Int?
            if let after = query.after {
                place = try Int.fetchOne(
                    db, sql: "SELECT key FROM files WHERE id = ? AND owner = ?", arguments: [after, query.owner])
                if place == nil { return nil }
            }
            var sql = "SELECT * FROM files WHERE owner = :owner AND (expires_at IS NULL OR expires_at > :now)"
            if query.purpose != nil { sql += " AND purpose = :purpose" }
            if place != nil { sql += " AND key \(query.isAscending ? ">" : "<") :place" }
            sql += " ORDER BY key \(query.isAscending ? "ASC" : "DESC") LIMIT :limit"
            var arguments: [String: (any DatabaseValueConvertible)?] = ["owner": query.owner, "now": now, "limit": query.limit]
            if let purpose = query.purpose { arguments["purpose"] = purpose }
            if let place { arguments["place"] = place }
            return try Row.fetchAll(db, sql: sql, arguments: StatementArguments(arguments)).map(StoredFile.init)
        }
    }

    public func deleteFile(_ id: String, owner: String) async throws(JobError) -> StoredFile? {
        let file = try await change { db in
            let row = try Row.fetchOne(db, sql: "DELETE FROM files WHERE id = ? AND owner = ? RETURNING *", arguments: [id, owner])
            let file = row.map(StoredFile.init)
            if file != nil { try IdempotencyStore.erase([id], db) }
            return file
        }
        if file != nil { erased([id]) }
        return file
    }

    public func expiredFiles(now: Int, limit: Int) async throws(JobError) -> [StoredFile] {
        try await look { db in
            try Row.fetchAll(db, sql: "SELECT * FROM files WHERE expires_at <= ? LIMIT ?", arguments: [now, limit])
                .map(StoredFile.init)
        }
    }

    public func fileIDs() async throws(JobError) -> Set<String> {
        try await look { db in try String.fetchSet(db, sql: "SELECT id FROM files") }
    }

    public func fileBytesByOwner() async throws(JobError) -> [String: Int] {
        try await look { db in
            let rows = try Row.fetchAll(db, sql: "SELECT owner, sum(bytes) AS bytes FROM files GROUP BY owner")
            // number-safe: the rows are grouped by owner
            return Dictionary(uniqueKeysWithValues: rows.map { ($0["owner"], $0["bytes"]) })
        }
    }

    // MARK: Storage errors as job errors

    func change<Result: Sendable>(_ body: @escaping @Sendable (Database) throws -> Result) async throws(JobError) -> Result {
        do throws(StorageError) {
            return try await write(body)
        } catch {
            throw .storageUnavailable(reason: error.description)
        }
    }

    func look<Result: Sendable>(_ body: @escaping @Sendable (Database) throws -> Result) async throws(JobError) -> Result {
        do throws(StorageError) {
            return try await read(body)
        } catch {
            throw .storageUnavailable(reason: error.description)
        }
    }
}

extension StoredFile {
    init(_ row: Row) {
        self.init(
            id: row["id"], owner: row["owner"], purpose: row["purpose"], filename: row["filename"], byteCount: max(0, row["bytes"]),
            createdAt: row["created_at"], expiresAt: row["expires_at"])
    }
}

import GRDB

extension Database {
    /// Like `inTransaction(.immediate)`, which compiles its two statements each time.
    func inCachedTransaction(_ body: () throws -> Void) throws {
        try cachedStatement(sql: "BEGIN IMMEDIATE TRANSACTION").execute()
        do {
            try body()
            try cachedStatement(sql: "COMMIT TRANSACTION").execute()
        } catch {
            // SQLite rolls back by itself on some errors.
            if isInsideTransaction { try? rollback() }
            throw error
        }
    }
}

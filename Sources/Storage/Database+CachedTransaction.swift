import GRDB

extension Database {
    /// As `inTransaction(.immediate)`, which compiles its two statements each time.
    func inCachedTransaction(_ body: () throws -> Void) throws {
        try cachedStatement(sql: "BEGIN IMMEDIATE TRANSACTION").execute()
        do {
            try body()
            try cachedStatement(sql: "COMMIT TRANSACTION").execute()
        } catch {
            // Some errors have rolled it back already.
            if isInsideTransaction { try? rollback() }
            throw error
        }
    }
}

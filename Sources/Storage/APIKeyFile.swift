import GRDB
import GRDBSQLite
import Glibc

/// API keys in a data directory, for a command that may run beside the server.
///
/// The write-ahead log permits short transactions of a second process; the server notices them through ``APIKeyStore/revision()``.
/// The directory is locked only while missing tables are created.
public struct APIKeyFile {
    private let queue: DatabaseQueue
    private let path: String

    /// Opens the database of a data directory.
    /// - Parameter makesMissing: creates a missing directory or database; false makes either an error.
    /// - Throws: ``StorageError``, which says what to do.
    public init(directory: String, makesMissing: Bool = true) throws(StorageError) {
        path = DataFiles.databasePath(in: directory)
        if makesMissing {
            try DataFiles.makeDirectory(directory)
        } else {
            try DataFiles.requireDatabase(in: directory)
            try DataFiles.requirePermission(directory)
        }
        do {
            if try !DataFiles.hasDatabase(in: directory) {
                let lock = try DirectoryLock(directory)
                defer { lock.release() }
                try DataFiles.makeDatabase(in: directory, Migrations.makeDatabase)
            }
            var configuration = Configuration()
            configuration.busyMode = .timeout(10)
            let keepsJournal = FileIdentity(of: path + "-wal") != nil
            configuration.prepareDatabase { db in
                try db.execute(sql: "PRAGMA synchronous = FULL")
                // A journal left by a killed server tells the next run that nothing was lost: see `Loss.journalAnew`.
                var keeps: CInt = keepsJournal ? 1 : 0
                sqlite3_file_control(db.sqliteConnection, nil, SQLITE_FCNTL_PERSIST_WAL, &keeps)
            }
            queue = try DatabaseQueue(path: path, configuration: configuration)
            if try queue.read(Migrations.migrator.hasCompletedMigrations) { return }
            let lock = try DirectoryLock(directory)
            defer { lock.release() }
            try Migrations.apply(to: queue, path: path)
        } catch let error as StorageError {
            throw error
        } catch let error as DatabaseError where [.SQLITE_BUSY, .SQLITE_LOCKED].contains(error.resultCode) {
            throw .locked(path: path)
        } catch let error as DatabaseError {
            throw .unreadable(path: path, reason: "\(StorageError(error))")
        } catch {
            throw .directoryUnusable(path: directory, reason: "\(error)")
        }
    }

    /// Whether the database has, or ever had, a key; clients then need one. Changes nothing.
    /// - Throws: ``StorageError`` if the database is missing or unreadable.
    public static func hasKeys(directory: String) throws(StorageError) -> Bool {
        try DataFiles.requireDatabase(in: directory)
        var configuration = Configuration()
        configuration.readonly = true
        configuration.busyMode = .timeout(10)
        do {
            let queue = try DatabaseQueue(path: DataFiles.databasePath(in: directory), configuration: configuration)
            return try queue.read { try $0.tableExists("api_keys") && !APIKeyTable.all($0).isEmpty }
        } catch {
            throw StorageError(error)
        }
    }

    /// All keys, oldest first.
    public func all() throws(StorageError) -> [APIKeyRecord] { try run { try queue.read(APIKeyTable.all) } }

    /// Adds a key.
    public func insert(_ key: APIKeyRecord) throws(StorageError) {
        try run { try queue.write { try APIKeyTable.insert(key, $0) } }
    }

    /// Revokes a key; clients can no longer authenticate with it.
    /// - Parameter time: seconds since 1970.
    public func revoke(_ id: String, at time: Int) throws(StorageError) {
        try run { try queue.write { try APIKeyTable.revoke(id, at: time, $0) } }
    }

    /// Replaces the secret of a key.
    /// - Parameter previousUntil: when the previous secret expires, in seconds since 1970; nil revokes it at once.
    public func rotate(_ id: String, hash: [UInt8], hint: String, previousUntil: Int?) throws(StorageError) {
        try run {
            try queue.write { try APIKeyTable.rotate(id, hash: hash, hint: hint, previousUntil: previousUntil, $0) }
        }
    }

    private func run<Result>(_ body: () throws -> Result) throws(StorageError) -> Result {
        do { return try body() } catch { throw StorageError(error) }
    }
}

import GRDB
import GRDBSQLite
import Glibc

/// The keys in a data directory, for a command that may run beside the server.
///
/// The write-ahead log permits short transactions of a second process; the server sees them by ``APIKeyStore/revision()``. The
/// lock on the directory is not taken, but to make the tables where they are missing.
public struct APIKeyFile {
    private let queue: DatabaseQueue
    private let path: String

    /// Opens the database of a data directory.
    /// - Parameter makesMissing: makes both where they are missing; else that is an error.
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
                // One that a server left when it was killed tells the next that nothing was lost: see `Loss.journalAnew`.
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

    /// Whether there is or was a key: then nobody gets in without. Looks without making or changing anything.
    /// - Throws: where there is no database, or none that can be read.
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

    /// The oldest first.
    public func all() throws(StorageError) -> [APIKeyRecord] { try run { try queue.read(APIKeyTable.all) } }

    public func insert(_ key: APIKeyRecord) throws(StorageError) {
        try run { try queue.write { try APIKeyTable.insert(key, $0) } }
    }

    /// It lets nobody in from now on.
    public func revoke(_ id: String, at time: Int) throws(StorageError) {
        try run { try queue.write { try APIKeyTable.revoke(id, at: time, $0) } }
    }

    /// Gives a key another secret.
    /// - Parameter previousUntil: until when the secret before is taken beside it; nil: no longer.
    public func rotate(_ id: String, hash: [UInt8], hint: String, previousUntil: Int?) throws(StorageError) {
        try run {
            try queue.write { try APIKeyTable.rotate(id, hash: hash, hint: hint, previousUntil: previousUntil, $0) }
        }
    }

    private func run<Result>(_ body: () throws -> Result) throws(StorageError) -> Result {
        do { return try body() } catch { throw StorageError(error) }
    }
}

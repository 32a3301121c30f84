import Foundation
import GRDB
import Glibc

/// The keys in a data directory, for a command that may run beside the server.
///
/// The write-ahead log permits short transactions of a second process; the server sees them by ``APIKeyStore/revision()``. The
/// lock on the directory is not taken, but to make the tables where they are missing.
public struct APIKeyFile {
    private let queue: DatabaseQueue
    private let path: String

    /// Opens the database of a data directory, or makes both.
    public init(directory: String) throws(StorageError) {
        path = directory + "/interject.sqlite"
        do {
            try FileManager.default.createDirectory(
                atPath: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
            var configuration = Configuration()
            configuration.busyMode = .timeout(10)
            configuration.prepareDatabase { try $0.execute(sql: "PRAGMA synchronous = FULL") }
            queue = try DatabaseQueue(path: path, configuration: configuration)
            chmod(path, 0o600)
            let migrator = Migrations.migrator
            if try queue.read(migrator.hasBeenSuperseded) { throw StorageError.newerVersion(path: path) }
            if try queue.read(migrator.hasCompletedMigrations) { return }
            let lock = try DirectoryLock(directory)
            defer { lock.release() }
            try migrator.migrate(queue)
        } catch let error as StorageError {
            throw error
        } catch let error as DatabaseError {
            throw .unreadable(path: path, reason: "\(StorageError(error))")
        } catch {
            throw .directoryUnusable(path: directory, reason: error.localizedDescription)
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

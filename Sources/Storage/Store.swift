import Bytes
import Dispatch
import Foundation
import GRDB
import Glibc
public import Logging
import Synchronization

/// A server's data: a SQLite database in write-ahead mode in a data directory. Safe from any thread.
///
/// Concurrent changes are committed together (group commit): each is committed when its call returns, and a busy server pays one
/// `fsync` for many.
public final class Store: Sendable {
    /// The failure that a commit survives.
    public enum Durability: String, Sendable, CaseIterable {
        /// A loss of power: each commit waits for the disk.
        case full
        /// The end of the process at any moment, but not a loss of power, which may lose the last moments.
        case process
    }

    /// Path of the database file.
    public let path: String
    let pool: DatabasePool
    let commits: CommitQueue
    let tail: EventTail
    /// Row keys, unique for the lifetime of the file.
    let keys: RowKeys
    let lock: DirectoryLock
    private let run: Mutex<StoreRun>
    let files: FileWatch
    let logger: Logger
    private let eraseHandler = Mutex<(@Sendable ([String]) -> Void)?>(nil)

    private init(
        path: String, pool: DatabasePool, checkpointer: Checkpointer, tail: EventTail, keys: RowKeys, lock: DirectoryLock,
        run: StoreRun, files: FileWatch, commitsByItself: Bool, logger: Logger
    ) {
        self.path = path
        self.run = Mutex(run)
        self.pool = pool
        self.tail = tail
        self.files = files
        commits = CommitQueue(pool, checkpointer, tail, files, hasThread: commitsByItself, logger: logger)
        self.keys = keys
        self.lock = lock
        self.logger = logger
    }

    /// Opens the database of a data directory; creates both if missing.
    /// - Throws: ``StorageError``, which says what to do.
    public static func open(directory: String, durability: Durability = .full, logger: Logger) throws(StorageError) -> Store {
        try open(directory: directory, durability: durability, surroundings: StoreRun.Surroundings(), logger: logger)
    }

    /// - Parameters:
    ///   - maxTailByteCount: see ``EventTail/maxByteCount``.
    ///   - commitsByItself: false: see ``CommitQueue/commitNow()``.
    static func open(
        directory: String, durability: Durability, maxTailByteCount: Int = EventTail.maxByteCount,
        surroundings: StoreRun.Surroundings = StoreRun.Surroundings(), commitsByItself: Bool = true, logger: Logger
    ) throws(StorageError) -> Store {
        try DataFiles.makeDirectory(directory)
        let lock = try DirectoryLock(directory)
        let path = DataFiles.databasePath(in: directory)
        do {
            let configuration = configuration(durability)
            try DataFiles.makeDatabase(in: directory, Migrations.makeDatabase)
            let found = StoreRun.Files(in: directory)
            let pool = try DatabasePool(path: path, configuration: configuration)
            // Again: GRDB sets NORMAL on the writer when it enables the write-ahead log, which is after the connection's
            // preparation.
            try pool.writeWithoutTransaction { try $0.execute(sql: synchronous(durability)) }
            // Only this user may read what clients say.
            for suffix in ["", "-wal", "-shm"] { chmod(path + suffix, 0o600) }
            try Migrations.apply(to: pool, path: path)
            let (tail, run) = try pool.writeWithoutTransaction { db in
                try begin(directory, found, durability, surroundings, maxTailByteCount: maxTailByteCount, db)
            }
            try run.begin(logger)
            let keys = RowKeys(try pool.read(RowKeys.largest))
            let checkpointer = try Checkpointer(path: path, configuration)
            pool.writeWithoutTransaction(checkpointer.watch)
            return Store(
                path: path, pool: pool, checkpointer: checkpointer, tail: tail, keys: keys, lock: lock,
                run: run, files: FileWatch(path, logger: logger), commitsByItself: commitsByItself, logger: logger)
        } catch let error as StorageError {
            throw error
        } catch let error as DatabaseError where error.resultCode == .SQLITE_FULL {
            // Moving the tail of an unclean stop into chunks needs free space.
            throw .directoryUnusable(path: directory, reason: "the disk is full")
        } catch let error as DatabaseError where [.SQLITE_BUSY, .SQLITE_LOCKED].contains(error.resultCode) {
            throw .locked(path: path)
        } catch {
            throw .unreadable(path: path, reason: "\(StorageError(error))")
        }
    }

    /// Moves the tail into chunks, then judges what was lost: both in one transaction.
    private static func begin(
        _ directory: String, _ found: StoreRun.Files, _ durability: Durability, _ surroundings: StoreRun.Surroundings,
        maxTailByteCount: Int, _ db: Database
    ) throws -> (EventTail, StoreRun) {
        try db.durably {
            let now = Int(saturating: Date().timeIntervalSince1970 * 1_000_000)
            let tail = EventTail(firstRow: try EventTail.empty(db, unixMicroseconds: now), maxByteCount: maxTailByteCount)
            return (tail, try StoreRun(in: directory, found, durability, surroundings, db))
        }
    }

    /// Whether each commit waits for the disk.
    private static func synchronous(_ durability: Durability) -> String {
        "PRAGMA synchronous = \(durability == .full ? "FULL" : "NORMAL")"
    }

    private static func configuration(_ durability: Durability) -> Configuration {
        var configuration = Configuration()
        configuration.label = "interject"
        configuration.maximumReaderCount = 4
        configuration.busyMode = .timeout(5)
        configuration.prepareDatabase { db in
            try db.execute(sql: synchronous(durability))
            // Readers look up a position and read on from there; what they read is cached by the sessions. The writer returns to
            // what it wrote after minutes, if ever.
            try db.execute(sql: "PRAGMA cache_size = \(db.configuration.readonly ? -1024 : -2048)")
            // Debian's SQLite overwrites deleted content by default, and so writes each page of the tail once more when it is
            // freed.
            try db.execute(sql: "PRAGMA secure_delete = FAST")
            try db.execute(sql: "PRAGMA temp_store = MEMORY")
            try db.execute(sql: "PRAGMA journal_size_limit = 67108864")
        }
        return configuration
    }

    // MARK: Writing

    /// Runs a change in the next commit; returns when it is committed.
    func write<Result: Sendable>(_ body: @escaping @Sendable (Database) throws -> Result) async throws(StorageError) -> Result {
        let outcome = await withCheckedContinuation { continuation in
            write(body) { continuation.resume(returning: $0) }
        }
        return try outcome.get()
    }

    /// Runs a change in the next commit.
    /// - Parameter then: called on the store's own thread when the change is committed, or refused.
    func write<Result: Sendable>(
        _ body: @escaping @Sendable (Database) throws -> Result,
        then: @escaping @Sendable (Swift.Result<Result, StorageError>) -> Void
    ) {
        let change = ClosureChange(body, then)
        commits.submit(change, byteCount: change.byteCount)
    }

    /// Runs a change in the next commit without a result. A refusal is logged.
    /// - Parameter name: description of the change for the log.
    func write(_ name: String, _ body: @escaping @Sendable (Database) throws -> Void) {
        write(body) { [logger] result in
            guard case .failure(let error) = result, error != .closed else { return }
            logger.error("a change was refused by the store", metadata: ["change": "\(name)", "error": "\(error)"])
        }
    }

    /// Sets the handler for objects that were deleted otherwise than through a session's own log.
    func onErase(_ action: @escaping @Sendable ([String]) -> Void) { eraseHandler.withLock { $0 = action } }

    func erased(_ ids: [String]) {
        if ids.isEmpty { return }
        eraseHandler.withLock { $0 }?(ids)
    }

    // MARK: Reading

    /// Reads from a snapshot of the database.
    func read<Result: Sendable>(_ body: @escaping @Sendable (Database) throws -> Result) async throws(StorageError) -> Result {
        let outcome = await withCheckedContinuation { continuation in
            read(body) { continuation.resume(returning: $0) }
        }
        return try outcome.get()
    }

    /// Reads from a snapshot of the database.
    /// - Parameter then: called on one of the store's threads.
    func read<Result: Sendable>(
        _ body: @escaping @Sendable (Database) throws -> Result,
        then: @escaping @Sendable (Swift.Result<Result, StorageError>) -> Void
    ) {
        pool.asyncRead { access in
            do {
                then(.success(try body(try access.get())))
            } catch {
                then(.failure(StorageError(error)))
            }
        }
    }

    /// Frees the database's page caches. Waits for current reads and writes.
    public func releaseMemory() { pool.releaseMemory() }

    // MARK: State

    /// Why nothing can be written at present; nil if writes succeed.
    public var failure: StorageError? { files.failure ?? commits.failure }
    /// Whether commits wait for the disk, whether or not it has reported an error.
    public var isLate: Bool { failure != nil || commits.isLate }

    /// Counters for metrics.
    public var statistics: Statistics { commits.statistics }

    /// Size of the database and its write-ahead log, in bytes.
    public var fileByteCount: Int {
        ["", "-wal"].reduce(0) { sum, suffix in
            var status = stat()
            return stat(path + suffix, &status) == 0 ? sum + Int(status.st_size) : sum
        }
    }

    /// Counters for metrics, since the start.
    public struct Statistics: Sendable {
        /// Transactions; under ``Durability/full`` each has waited for the disk once.
        public var commits = 0
        /// Changes in the transactions.
        public var changes = 0
        /// Total duration of all commits, in seconds.
        public var commitSeconds = 0.0
        /// Commits that failed and were retried.
        public var failures = 0
        /// Bytes of changes that wait for the next commit.
        public var pendingBytes = 0
    }

    func reportUnreadableSession(key: Int, _ error: any Error) {
        logger.error(
            "a session cannot be read from the database, and is not listed",
            metadata: ["key": "\(key)", "kind": "\(type(of: error))"])
    }

    /// Returns when everything submitted before is committed. Nothing can be written afterwards.
    public func close() async {
        await commits.close()
        files.stop()
        // If the files were replaced or cannot be written, the next start determines what they contain.
        let isMarked = (try? markEnd()) != nil
        closeConnections()
        if isMarked { run.withLock { $0.ended() } }
        lock.release()
    }

    /// SQLite copies the write-ahead log into the database and removes it when the last connection closes, unless that one is
    /// read-only: readers are closed before the writer, once no read is running.
    private func closeConnections() {
        try? pool.barrierWriteWithoutTransaction { _ in pool.invalidateReadOnlyConnections() }
        try? pool.close()
    }

    private func markEnd() throws {
        try files.check()
        try pool.writeWithoutTransaction { db in try run.withLock { try $0.end(db) } }
    }

    /// Why events may have been lost before this store was opened; nil if none were.
    var loss: Loss? { run.withLock { $0.loss } }
    /// The epoch of events appended to logs that existed at the last loss.
    var epoch: Int { run.withLock { $0.mark.epoch } }
}

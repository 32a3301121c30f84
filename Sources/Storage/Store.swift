import Bytes
import Dispatch
import Foundation
import GRDB
import Glibc
public import Logging
import Synchronization

/// The data of one server: a SQLite database in write-ahead mode under a data directory. Safe from any thread.
///
/// What is written at about the same time is committed together (group commit): a change is committed when its call returns, and a
/// busy server pays one `fsync` for many changes.
public final class Store: Sendable {
    /// What a commit outlives.
    public enum Durability: String, Sendable, CaseIterable {
        /// A loss of power: each commit waits for the disk.
        case full
        /// The death of the process at any moment, but not a loss of power: the last moments may be gone then.
        case process
    }

    public let path: String
    let pool: DatabasePool
    let commits: CommitQueue
    let tail: EventTail
    /// Numbers for rows, unique for the life of the file.
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

    /// Opens the database of a data directory, or makes both.
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
            // Once more: GRDB sets NORMAL on the writer when it turns the write-ahead log on, which is after its preparation.
            try pool.writeWithoutTransaction { try $0.execute(sql: synchronous(durability)) }
            // What users say is nobody else's.
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
            // What a crash left in the tail needs room to be sorted in.
            throw .directoryUnusable(path: directory, reason: "the disk is full")
        } catch let error as DatabaseError where [.SQLITE_BUSY, .SQLITE_LOCKED].contains(error.resultCode) {
            throw .locked(path: path)
        } catch {
            throw .unreadable(path: path, reason: "\(StorageError(error))")
        }
    }

    /// Sorts what is left in the tail, and then judges what is left of the logs: on the disk together.
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

    /// Whether each commit is on the disk before it counts.
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
            // Readers look a position up and read on from there; what they read stays where it is needed: in the sessions. The writer
            // comes back to what it wrote after minutes, if ever.
            try db.execute(sql: "PRAGMA cache_size = \(db.configuration.readonly ? -1024 : -2048)")
            // Debian's SQLite overwrites what is deleted, and so writes each page of the tail once more when it is freed.
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
    /// - Parameter then: called on the store's own thread when it is committed, or refused.
    func write<Result: Sendable>(
        _ body: @escaping @Sendable (Database) throws -> Result,
        then: @escaping @Sendable (Swift.Result<Result, StorageError>) -> Void
    ) {
        let change = ClosureChange(body, then)
        commits.submit(change, byteCount: change.byteCount)
    }

    /// Runs a change in the next commit that nobody waits for. That it was refused is logged.
    /// - Parameter name: what the change is about.
    func write(_ name: String, _ body: @escaping @Sendable (Database) throws -> Void) {
        write(body) { [logger] result in
            guard case .failure(let error) = result, error != .closed else { return }
            logger.error("a change was refused by the store", metadata: ["change": "\(name)", "error": "\(error)"])
        }
    }

    /// Has somebody told of what was deleted by other ways than a session's own log.
    func onErase(_ action: @escaping @Sendable ([String]) -> Void) { eraseHandler.withLock { $0 = action } }

    func erased(_ ids: [String]) {
        if ids.isEmpty { return }
        eraseHandler.withLock { $0 }?(ids)
    }

    // MARK: Reading

    /// Reads a state that does not change meanwhile.
    func read<Result: Sendable>(_ body: @escaping @Sendable (Database) throws -> Result) async throws(StorageError) -> Result {
        let outcome = await withCheckedContinuation { continuation in
            read(body) { continuation.resume(returning: $0) }
        }
        return try outcome.get()
    }

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

    /// Frees what is kept of the file in memory. Waits for what is being written and read.
    public func releaseMemory() { pool.releaseMemory() }

    // MARK: State

    /// Why nothing can be written at this time; nil when all is well.
    public var failure: StorageError? { files.failure ?? commits.failure }
    /// Whether the disk keeps a commit waiting, whether or not it has said why.
    public var isLate: Bool { failure != nil || commits.isLate }

    public var statistics: Statistics { commits.statistics }

    /// Bytes of the database and its write-ahead log.
    public var fileByteCount: Int {
        ["", "-wal"].reduce(0) { sum, suffix in
            var status = stat()
            return stat(path + suffix, &status) == 0 ? sum + Int(status.st_size) : sum
        }
    }

    /// For metrics: all since the start.
    public struct Statistics: Sendable {
        /// Transactions, each of which waited for the disk once where durability is full.
        public var commits = 0
        /// Changes in them.
        public var changes = 0
        /// Seconds that all commits took together.
        public var commitSeconds = 0.0
        /// Commits that failed and were tried again.
        public var failures = 0
        /// Bytes that wait for the next commit.
        public var pendingBytes = 0
    }

    func reportUnreadableSession(key: Int, _ error: any Error) {
        logger.error(
            "a session cannot be read from the database, and is not listed",
            metadata: ["key": "\(key)", "kind": "\(type(of: error))"])
    }

    /// Ends when everything submitted before is committed. Nothing can be written afterwards.
    public func close() async {
        await commits.close()
        files.stop()
        // Where the files are not those that were opened, or take nothing more, the next start finds out what is there.
        let isMarked = (try? markEnd()) != nil
        closeConnections()
        if isMarked { run.withLock { $0.ended() } }
        lock.release()
    }

    /// SQLite moves the write-ahead log into the database, and removes it, when the last connection closes, unless that can only read:
    /// the readers are closed before the writer, once nothing is being read.
    private func closeConnections() {
        try? pool.barrierWriteWithoutTransaction { _ in pool.invalidateReadOnlyConnections() }
        try? pool.close()
    }

    private func markEnd() throws {
        try files.check()
        try pool.writeWithoutTransaction { db in try run.withLock { try $0.end(db) } }
    }

    /// Why events may have been lost before this store was opened; nil where none were.
    var loss: Loss? { run.withLock { $0.loss } }
    /// The epoch of what is appended to logs that were there when events were lost last.
    var epoch: Int { run.withLock { $0.mark.epoch } }
}

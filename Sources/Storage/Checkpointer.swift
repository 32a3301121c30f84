import Dispatch
import GRDB
import GRDBSQLite
import Synchronization

/// Copies the write-ahead log into the database without making commits wait.
///
/// SQLite's own checkpoint runs within a commit, which then takes as long as writing thousands of pages. Here a separate connection
/// writes nearly all of them while commits continue; the writer copies only the pages written meanwhile, so that the log can
/// restart.
final class Checkpointer: Sendable {
    private enum Phase {
        case idle
        case underWay
        /// The writer copies the rest.
        case nearlyDone
    }

    private let phase = Mutex(Phase.idle)
    private let connection: DatabaseQueue
    private let queue = DispatchQueue(label: "interject.store.checkpoints")

    /// Pages in the log at which a checkpoint begins.
    private static let pageCount = 4000
    /// Pages in the log at which the writer runs the whole checkpoint itself.
    private static let maxPageCount = 4 * pageCount

    /// - Parameter configuration: the writer connection's, so that the database is as durable as the log.
    init(path: String, _ configuration: Configuration) throws {
        connection = try DatabaseQueue(path: path, configuration: configuration)
    }

    /// Watches the writer's connection, which must not outlive it.
    func watch(_ db: Database) {
        let context = Unmanaged.passUnretained(self).toOpaque()
        let hook: @convention(c) (UnsafeMutableRawPointer?, OpaquePointer?, UnsafePointer<CChar>?, Int32) -> Int32 = {
            context, db, _, pages in
            if let context, let db {
                Unmanaged<Checkpointer>.fromOpaque(context).takeUnretainedValue().logGrew(to: Int(pages), of: db)
            }
            return SQLITE_OK
        }
        sqlite3_wal_hook(db.sqliteConnection, hook, context)
    }

    /// Called after a commit, on the writer's thread.
    private func logGrew(to pages: Int, of db: OpaquePointer) {
        guard pages >= Self.pageCount else { return }
        let (mustStart, mustFinish) = phase.withLock { phase in
            switch phase {
            case .idle:
                phase = .underWay
                return (true, false)
            case .underWay: return (false, pages >= Self.maxPageCount)
            case .nearlyDone:
                phase = .idle
                return (false, true)
            }
        }
        // A failed checkpoint is retried at the next commit: the pages stay in the log until then.
        if mustFinish { sqlite3_wal_checkpoint_v2(db, nil, SQLITE_CHECKPOINT_PASSIVE, nil, nil) }
        guard mustStart else { return }
        queue.async {
            try? self.connection.writeWithoutTransaction { db in _ = try db.checkpoint(.passive) }
            self.phase.withLock { $0 = .nearlyDone }
        }
    }

    /// Returns when no checkpoint is running. The writer's connection must have made its last commit.
    func close() async {
        await withCheckedContinuation { continuation in queue.async { continuation.resume() } }
        try? connection.close()
    }
}

import Dispatch
import GRDB
import GRDBSQLite
import Synchronization

/// Brings what stands in the write-ahead log into the database without having commits wait for it.
///
/// SQLite does so within a commit, which then takes as long as writing thousands of pages. Here a connection of its own writes nearly
/// all of them while commits go on; only what came meanwhile is left to the writer, so that the log can begin anew.
final class Checkpointer: Sendable {
    private enum Phase {
        case idle
        case underWay
        /// The rest is the writer's.
        case nearlyDone
    }

    private let phase = Mutex(Phase.idle)
    private let connection: DatabaseQueue
    private let queue = DispatchQueue(label: "interject.store.checkpoints")

    /// Pages of the log from which on it is emptied.
    private static let pageCount = 4000
    /// Pages that it may have at most before the writer does it all.
    private static let maxPageCount = 4 * pageCount

    /// - Parameter configuration: of the writer's connection: the database is to be as safe as the log was.
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

    /// After a commit, on the writer's thread.
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
        // What fails is tried again at the next commit: the pages stay in the log until then.
        if mustFinish { sqlite3_wal_checkpoint_v2(db, nil, SQLITE_CHECKPOINT_PASSIVE, nil, nil) }
        guard mustStart else { return }
        queue.async {
            try? self.connection.writeWithoutTransaction { db in _ = try db.checkpoint(.passive) }
            self.phase.withLock { $0 = .nearlyDone }
        }
    }

    /// Ends when nothing is under way. The writer's connection commits nothing any more.
    func close() async {
        await withCheckedContinuation { continuation in queue.async { continuation.resume() } }
        try? connection.close()
    }
}

import Foundation
import GRDB
import Logging

/// The run of a server on a data directory: finds at its start what was lost before it, and leaves at its end what the next one needs
/// to find that nothing was.
///
/// The order of writes makes the rest safe: the database is marked on the disk before anybody is told of an event, the file beside it
/// after that; at the end likewise. Whatever moment a crash comes at, at most a loss is assumed that was none.
struct StoreRun: Sendable {
    /// What the outside of the directory tells: given by tests.
    struct Surroundings: Sendable {
        var boot = BootID.current
        /// Seconds since 1970.
        var now: @Sendable () -> Int = { Int(clamping: time(nil)) }
    }

    private let directory: String
    private(set) var mark: StoreMark
    /// What was lost before it.
    let loss: Loss?

    /// Files as they are before SQLite has opened them, which may make or remove some.
    struct Files: Sendable {
        fileprivate let beside: IdentityFile?
        fileprivate let database: FileIdentity?
        fileprivate let journal: FileIdentity?
        fileprivate let identityFile: FileIdentity?

        init(in directory: String) {
            let path = DataFiles.databasePath(in: directory)
            beside = IdentityFile(in: directory)
            database = FileIdentity(of: path)
            journal = FileIdentity(of: path + "-wal")
            identityFile = FileIdentity(of: IdentityFile.path(in: directory))
        }
    }

    /// Judges the directory and marks the database, within a transaction in which the events of all sessions stand in chunks.
    init(
        in directory: String, _ files: Files, _ durability: Store.Durability, _ surroundings: Surroundings, _ db: Database
    ) throws {
        self.directory = directory
        let evidence = Loss.Evidence(
            mark: try StoreMark(db), beside: files.beside, database: files.database, journal: files.journal,
            identityFile: files.identityFile, boot: surroundings.boot)
        loss = Loss(evidence)
        mark = evidence.mark
        mark.run = max(mark.run, evidence.beside?.run ?? 0) + 1
        mark.boot = surroundings.boot
        mark.durability = durability
        mark.isClean = false
        if let loss {
            mark.epoch = loss.epoch(after: evidence, now: surroundings.now())
            try Self.beginEpoch(mark.epoch, db)
        }
        try mark.write(to: db)
    }

    /// The next event of each session begins an epoch. One in which a session got no event is forgotten for it: no client can have a
    /// position in it.
    private static func beginEpoch(_ epoch: Int, _ db: Database) throws {
        try db.execute(
            sql: """
                INSERT OR REPLACE INTO session_epochs (session, first, epoch)
                SELECT key, 1 + coalesce((SELECT max(last) FROM event_chunks WHERE session = sessions.key), 0), ? FROM sessions
                """, arguments: [epoch])
    }

    /// Writes what stands beside the database, once that is marked on the disk.
    func begin(_ logger: Logger) throws(StorageError) {
        let path = DataFiles.databasePath(in: directory)
        try IdentityFile(mark, database: FileIdentity(of: path), journal: FileIdentity(of: path + "-wal")).write(in: directory)
        guard let loss else { return }
        logger.warning(
            "events may have been lost; clients that know of more than the logs have are told so",
            metadata: ["reason": "\(loss.rawValue)", "epoch": "\(mark.epoch)"])
    }

    /// Marks the database as left in order: the last thing that is committed to it.
    mutating func end(_ db: Database) throws {
        mark.isClean = true
        try db.durably { try mark.write(to: db) }
    }

    /// Says the same beside it, once SQLite has closed it.
    func ended() {
        try? IdentityFile(mark, database: FileIdentity(of: DataFiles.databasePath(in: directory)), journal: nil)
            .write(in: directory)
    }
}

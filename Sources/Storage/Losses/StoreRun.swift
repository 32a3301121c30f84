import Foundation
import GRDB
import Logging

/// One run of a server on a data directory: finds what was lost before it at its start, and at its end leaves the proof for the
/// next run that nothing was.
///
/// Correctness rests on the order of writes: the database is marked on the disk before any client sees an event, the file beside it
/// after that; likewise at the end. A crash at any moment causes at most a false alarm.
struct StoreRun: Sendable {
    /// Inputs from outside the directory; tests provide their own.
    struct Surroundings: Sendable {
        var boot = BootID.current
        /// Seconds since 1970.
        var now: @Sendable () -> Int = { Int(clamping: time(nil)) }
    }

    private let directory: String
    private(set) var mark: StoreMark
    /// The loss found at the start.
    let loss: Loss?

    /// The files before SQLite opens them, which may create or remove some.
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

    /// Judges the directory and marks the database, within a transaction in which the events of all sessions are in chunks.
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

    /// Begins an epoch with the next event of each session. An earlier epoch without events is dropped from the session: no client
    /// can have a position in it.
    private static func beginEpoch(_ epoch: Int, _ db: Database) throws {
        try db.execute(
            sql: """
                INSERT OR REPLACE INTO session_epochs (session, first, epoch)
                SELECT key, 1 + coalesce((SELECT max(last) FROM event_chunks WHERE session = sessions.key), 0), ? FROM sessions
                """, arguments: [epoch])
    }

    /// Writes the identity file, once the mark in the database is on the disk.
    func begin(_ logger: Logger) throws(StorageError) {
        let path = DataFiles.databasePath(in: directory)
        try IdentityFile(mark, database: FileIdentity(of: path), journal: FileIdentity(of: path + "-wal")).write(in: directory)
        guard let loss else { return }
        logger.warning(
            "events may have been lost; clients that know of more than the logs have are told so",
            metadata: ["reason": "\(loss.rawValue)", "epoch": "\(mark.epoch)"])
    }

    /// Marks the database as cleanly closed, in its last commit.
    mutating func end(_ db: Database) throws {
        mark.isClean = true
        try db.durably { try mark.write(to: db) }
    }

    /// Records the same in the identity file, once SQLite has closed the database.
    func ended() {
        try? IdentityFile(mark, database: FileIdentity(of: DataFiles.databasePath(in: directory)), journal: nil)
            .write(in: directory)
    }
}

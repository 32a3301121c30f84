import GRDB
import JSON

/// The record of the last server run, within the database.
struct StoreMark: Sendable, Equatable {
    /// Random identifier of the database; copies share it.
    var instance: String
    /// Number of the run, increasing; 0 before the first.
    var run = 0
    /// Approximately how often events may have been lost: see ``Loss/epoch(after:now:)``.
    var epoch = 0
    /// Identifier of the machine's boot in which the run began; empty if unknown.
    var boot = ""
    var durability = Store.Durability.full
    /// Whether the run ended cleanly, with everything on the disk.
    var isClean = true

    static func make(_ db: Database) throws {
        try db.execute(
            sql: """
                -- One row: the last run of a server on this file, and how it ended. Beside the file stands what must go with it.
                CREATE TABLE store_mark (
                    key INTEGER PRIMARY KEY CHECK (key = 1),
                    instance TEXT NOT NULL,
                    run INTEGER NOT NULL,
                    epoch INTEGER NOT NULL,
                    boot TEXT NOT NULL,
                    durability TEXT NOT NULL,
                    is_clean INTEGER NOT NULL
                ) STRICT;
                INSERT INTO store_mark VALUES (1, lower(hex(randomblob(16))), 0, 0, '', 'full', 1);

                -- Where in each session's log an epoch began, but for the first, which is 0: its first event, come or to come.
                CREATE TABLE session_epochs (
                    session INTEGER NOT NULL,
                    first INTEGER NOT NULL,
                    epoch INTEGER NOT NULL,
                    PRIMARY KEY (session, first)
                ) STRICT, WITHOUT ROWID;
                """)
    }

    init(instance: String) { self.instance = instance }

    /// Reads the mark of a database.
    init(_ db: Database) throws {
        guard let row = try Row.fetchOne(db, sql: "SELECT * FROM store_mark"),
            let durability = Store.Durability(rawValue: row["durability"]), (0..<1 << 53).contains(row["run"] as Int),
            (0..<1 << 53).contains(row["epoch"] as Int)
        else { throw MalformedRecord(record: "mark of the last run") }
        instance = row["instance"]
        run = row["run"]
        epoch = row["epoch"]
        boot = row["boot"]
        self.durability = durability
        isClean = row["is_clean"]
    }

    func write(to db: Database) throws {
        try db.execute(
            sql: "UPDATE store_mark SET instance = ?, run = ?, epoch = ?, boot = ?, durability = ?, is_clean = ?",
            arguments: [instance, run, epoch, boot, durability.rawValue, isClean])
    }
}

extension Database {
    /// Runs a transaction that is on the disk on return, with everything committed before it, whatever the durability of other
    /// transactions.
    func durably<Result>(_ body: () throws -> Result) throws -> Result {
        let usual = try Int.fetchOne(self, sql: "PRAGMA synchronous") ?? 2
        try execute(sql: "PRAGMA synchronous = FULL")
        // number-safe: a keyword of SQLite
        defer { try? execute(sql: "PRAGMA synchronous = \(usual)") }
        try beginTransaction(.immediate)
        do {
            let result = try body()
            try commit()
            return result
        } catch {
            if isInsideTransaction { try? rollback() }
            throw error
        }
    }
}

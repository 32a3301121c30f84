import GRDB

/// The tables, and the migrations of files of older versions. A released migration never changes.
enum Migrations {
    /// Name of the migration that creates the tables of the first release.
    private static let first = "0.1.0"

    static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration(first) { db in
            try makeSessions(db)
            try EventTable.make(db)
            try APIKeyTable.make(db)
            try UsageStore.makeTable(db)
            try IdempotencyStore.makeTable(db)
            try makeFiles(db)
            try makeBatches(db)
            try makeWebhooks(db)
            try StoreMark.make(db)
        }
        return migrator
    }

    /// Creates a database with all tables, or migrates one.
    /// - Throws: ``StorageError`` for a file of another program, or of a version that cannot be used.
    static func apply(to writer: some DatabaseWriter, path: String) throws {
        try check(writer, path: path)
        if try !writer.read(migrator.hasCompletedMigrations) { try migrator.migrate(writer) }
    }

    /// Checks that a file can be used, or migrated. Changes nothing.
    static func check(_ reader: some DatabaseReader, path: String) throws {
        let applied = try reader.read { db in
            // A database of another program is left alone.
            guard try db.tableExists("grdb_migrations") else {
                throw StorageError.unreadable(path: path, reason: "it is not one of Interject's")
            }
            return try migrator.appliedIdentifiers(db)
        }
        if !applied.isEmpty, try !applied.contains(first) || !reader.read({ try $0.tableExists("store_mark") }) {
            throw StorageError.unreleasedVersion(path: path)
        }
        if try reader.read(migrator.hasBeenSuperseded) { throw StorageError.newerVersion(path: path) }
    }

    /// Creates a new database.
    static func makeDatabase(at path: String) throws {
        let queue = try DatabaseQueue(path: path)
        try migrator.migrate(queue)
        try queue.close()
    }

    private static func makeSessions(_ db: Database) throws {
        try db.execute(
            sql: """
                -- One row for each session. `ordinal` is the time of creation in microseconds since 1970, made unique.
                CREATE TABLE sessions (
                    key INTEGER PRIMARY KEY,
                    id TEXT NOT NULL UNIQUE,
                    owner TEXT NOT NULL,
                    ordinal INTEGER NOT NULL,
                    created_at INTEGER NOT NULL,
                    used_at INTEGER NOT NULL,
                    defaults TEXT NOT NULL,
                    mode TEXT NOT NULL,
                    policy TEXT NOT NULL,
                    metadata TEXT NOT NULL,
                    forked_from TEXT
                ) STRICT;
                CREATE INDEX sessions_by_owner ON sessions (owner, ordinal);
                CREATE INDEX sessions_by_use ON sessions (used_at);

                -- What was said in a session, in its order, without what is being said.
                CREATE TABLE items (
                    session INTEGER NOT NULL,
                    position INTEGER NOT NULL,
                    id TEXT NOT NULL,
                    status TEXT NOT NULL,
                    body TEXT NOT NULL,
                    chat_message TEXT,
                    PRIMARY KEY (session, position)
                ) STRICT, WITHOUT ROWID;

                -- Generations, each as it stood when it last changed for others: made, begun, ended. `ordinal` is its number in the
                -- session, by which the log's events name it.
                CREATE TABLE responses (
                    key INTEGER PRIMARY KEY,
                    session INTEGER NOT NULL,
                    ordinal INTEGER NOT NULL,
                    id TEXT NOT NULL UNIQUE,
                    status TEXT NOT NULL,
                    record TEXT NOT NULL
                ) STRICT;
                CREATE UNIQUE INDEX responses_by_session ON responses (session, ordinal);
                CREATE INDEX responses_unfinished ON responses (status) WHERE status IN ('queued', 'in_progress');
                """)
    }
}

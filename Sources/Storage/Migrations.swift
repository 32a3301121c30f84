import GRDB

/// The tables, and how a file of an older version comes to have them. A migration that was released is never changed.
enum Migrations {
    static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("sessions", migrate: makeSessions)
        migrator.registerMigration("api_keys", migrate: APIKeyTable.migrate)
        migrator.registerMigration("usage", migrate: UsageStore.migrate)
        migrator.registerMigration("idempotency_keys", migrate: IdempotencyStore.migrate)
        migrator.registerMigration("files", migrate: makeFiles)
        migrator.registerMigration("batches", migrate: makeBatches)
        migrator.registerMigration("webhooks", migrate: makeWebhooks)
        migrator.registerMigration("event_chunks", migrate: EventTable.migrate)
        migrator.registerMigration("idempotency_objects", migrate: IdempotencyStore.addObjects)
        migrator.registerMigration("api_key_cut_forms", migrate: APIKeyTable.addCutForms)
        return migrator
    }

    /// Makes a database with all tables, or brings one up to date.
    /// - Throws: ``StorageError`` for a file that is not ours, or is a newer version's.
    static func apply(to writer: some DatabaseWriter, path: String) throws {
        let migrator = migrator
        // A database that we did not make is neither filled nor changed.
        guard try writer.read({ try $0.tableExists("grdb_migrations") }) else {
            throw StorageError.unreadable(path: path, reason: "it is not one of Interject's")
        }
        if try writer.read(migrator.hasBeenSuperseded) { throw StorageError.newerVersion(path: path) }
        if try !writer.read(migrator.hasCompletedMigrations) { try migrator.migrate(writer) }
    }

    /// Makes a new database.
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

                -- The log. `payload` is the event as JSON; `delta_start` and `delta_end` tell where the text of a delta stands in it.
                CREATE TABLE events (
                    session INTEGER NOT NULL,
                    sequence INTEGER NOT NULL,
                    response INTEGER,
                    response_sequence INTEGER NOT NULL,
                    delta_start INTEGER NOT NULL,
                    delta_end INTEGER NOT NULL,
                    output_index INTEGER NOT NULL,
                    payload BLOB NOT NULL,
                    PRIMARY KEY (session, sequence)
                ) STRICT, WITHOUT ROWID;

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

                -- Generations, each as it stood when it last changed for others: made, begun, ended.
                CREATE TABLE responses (
                    key INTEGER PRIMARY KEY,
                    id TEXT NOT NULL UNIQUE,
                    session INTEGER NOT NULL,
                    status TEXT NOT NULL,
                    record TEXT NOT NULL
                ) STRICT;
                CREATE INDEX responses_by_session ON responses (session, key);
                CREATE INDEX responses_unfinished ON responses (status) WHERE status IN ('queued', 'in_progress');
                """)
    }
}

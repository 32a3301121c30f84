import GRDB

extension Migrations {
    static func makeFiles(_ db: Database) throws {
        try db.execute(
            sql: """
                -- One row for each file; its bytes are in the data directory. `key` is the order in which they were made.
                CREATE TABLE files (
                    key INTEGER PRIMARY KEY AUTOINCREMENT,
                    id TEXT NOT NULL UNIQUE,
                    owner TEXT NOT NULL,
                    purpose TEXT NOT NULL,
                    filename TEXT NOT NULL,
                    bytes INTEGER NOT NULL,
                    created_at INTEGER NOT NULL,
                    expires_at INTEGER
                ) STRICT;
                CREATE INDEX files_by_owner ON files (owner, key);
                CREATE INDEX files_by_expiry ON files (expires_at) WHERE expires_at IS NOT NULL;
                """)
    }

    static func makeBatches(_ db: Database) throws {
        try db.execute(
            sql: """
                -- One row for each batch. `record` is all of it as JSON but the counts, which change with each request.
                CREATE TABLE batches (
                    key INTEGER PRIMARY KEY AUTOINCREMENT,
                    id TEXT NOT NULL UNIQUE,
                    owner TEXT NOT NULL,
                    status TEXT NOT NULL,
                    revision INTEGER NOT NULL,
                    record TEXT NOT NULL,
                    completed INTEGER NOT NULL DEFAULT 0,
                    failed INTEGER NOT NULL DEFAULT 0,
                    input_tokens INTEGER NOT NULL DEFAULT 0,
                    cached_tokens INTEGER NOT NULL DEFAULT 0,
                    output_tokens INTEGER NOT NULL DEFAULT 0,
                    reasoning_tokens INTEGER NOT NULL DEFAULT 0,
                    ended_at INTEGER,
                    is_unheard INTEGER NOT NULL DEFAULT 0
                ) STRICT;
                CREATE INDEX batches_by_owner ON batches (owner, key);
                CREATE INDEX batches_unfinished ON batches (key) WHERE ended_at IS NULL;
                CREATE INDEX batches_by_end ON batches (ended_at) WHERE ended_at IS NOT NULL;
                CREATE INDEX batches_unheard ON batches (key) WHERE is_unheard = 1;

                -- What requests of unfinished batches were answered: lines of the files that are made at the end.
                CREATE TABLE batch_lines (
                    batch INTEGER NOT NULL,
                    line INTEGER NOT NULL,
                    is_failed INTEGER NOT NULL,
                    output BLOB NOT NULL,
                    PRIMARY KEY (batch, line)
                ) STRICT, WITHOUT ROWID;
                """)
    }
}

import GRDB

extension Migrations {
    static func makeWebhooks(_ db: Database) throws {
        try db.execute(
            sql: """
                -- Endpoints, in the order of their creation. `record` holds the secrets: without them nothing can be signed.
                CREATE TABLE webhook_endpoints (
                    id TEXT NOT NULL PRIMARY KEY,
                    owner TEXT NOT NULL,
                    record TEXT NOT NULL
                ) STRICT;

                -- One event on its way to one endpoint, and what was tried so far. The endpoint may be one of the settings.
                CREATE TABLE webhook_deliveries (
                    event TEXT NOT NULL,
                    endpoint TEXT NOT NULL,
                    record TEXT NOT NULL,
                    PRIMARY KEY (event, endpoint)
                ) STRICT;
                CREATE INDEX webhook_deliveries_by_endpoint ON webhook_deliveries (endpoint);
                """)
    }
}

import GRDB
import JSON
package import Jobs

extension Store: WebhookStore {
    package func loadWebhooks() async throws -> WebhookSnapshot {
        try await read { db in
            let endpoints = try String.fetchAll(db, sql: "SELECT record FROM webhook_endpoints ORDER BY rowid")
            let deliveries = try String.fetchAll(db, sql: "SELECT record FROM webhook_deliveries ORDER BY rowid")
            return WebhookSnapshot(
                endpoints: endpoints.compactMap { try? WebhookEndpoint(record: JSONValue.parse($0)) },
                deliveries: deliveries.compactMap { try? WebhookDelivery(record: JSONValue.parse($0)) })
        }
    }

    package func writeWebhooks(_ changes: [WebhookChange], then: @escaping @Sendable (Bool) -> Void) {
        write { db in
            for change in changes { try Self.make(change, in: db) }
        } then: { result in
            if case .success = result { then(true) } else { then(false) }
        }
    }

    private static func make(_ change: WebhookChange, in db: Database) throws {
        switch change {
        case .put(let endpoint):
            try db.execute(
                sql: """
                    INSERT INTO webhook_endpoints (id, owner, record) VALUES (?, ?, ?)
                    ON CONFLICT (id) DO UPDATE SET record = excluded.record
                    """, arguments: [endpoint.id, endpoint.owner ?? "", endpoint.record.description])
        case .removeEndpoint(let id):
            try db.execute(sql: "DELETE FROM webhook_endpoints WHERE id = ?", arguments: [id])
            try db.execute(sql: "DELETE FROM webhook_deliveries WHERE endpoint = ?", arguments: [id])
        case .add(let delivery):
            try db.execute(
                sql: "INSERT OR IGNORE INTO webhook_deliveries (event, endpoint, record) VALUES (?, ?, ?)",
                arguments: [delivery.event.id, delivery.endpointID, delivery.record.description])
        case .update(let delivery):
            try db.execute(
                sql: "UPDATE webhook_deliveries SET record = ? WHERE event = ? AND endpoint = ?",
                arguments: [delivery.record.description, delivery.event.id, delivery.endpointID])
        case .remove(let key):
            try db.execute(
                sql: "DELETE FROM webhook_deliveries WHERE event = ? AND endpoint = ?", arguments: [key.eventID, key.endpointID])
        }
    }
}

import GRDB
import JSON
package import Jobs
import Logging

extension Store: WebhookStore {
    package func loadWebhooks() async throws -> WebhookSnapshot {
        let (snapshot, untrue) = try await read { [self] db in
            let endpoints = try String.fetchAll(db, sql: "SELECT record FROM webhook_endpoints ORDER BY rowid")
            let deliveries = try String.fetchAll(db, sql: "SELECT record FROM webhook_deliveries ORDER BY rowid")
            var snapshot = WebhookSnapshot(endpoints: endpoints.compactMap { readable($0, WebhookEndpoint.init(record:)) })
            var untrue: [WebhookDelivery.Key] = []
            for record in deliveries {
                guard var delivery = readable(record, WebhookDelivery.init(record:)) else { continue }
                if delivery.awaitsEnd, try !Self.hasEnded(delivery.event, db) {
                    untrue.append(delivery.key)
                } else {
                    delivery.awaitsEnd = false
                    snapshot.deliveries.append(delivery)
                }
            }
            return (snapshot, untrue)
        }
        if !untrue.isEmpty {
            try await write { db in
                for key in untrue { try Self.make(.remove(key), in: db) }
            }
        }
        return snapshot
    }

    /// An unreadable row is skipped and stays in the table: it must not delay the others.
    private func readable<Record>(_ text: String, _ read: (JSONValue) throws -> Record) -> Record? {
        do {
            return try read(JSONValue.column(text))
        } catch {
            logger.error("a webhook's record in the database is passed over", metadata: ["error": "\(error)"])
            return nil
        }
    }

    /// Whether the event's response has ended with the state that the event reports.
    private static func hasEnded(_ event: WebhookEvent, _ db: Database) throws -> Bool {
        let status = try String.fetchOne(db, sql: "SELECT status FROM responses WHERE id = ?", arguments: [event.objectID])
        return status.map { "response." + $0 == event.type } ?? false
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

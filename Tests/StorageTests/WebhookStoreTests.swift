import Foundation
import JSON
import Jobs
import Logging
import Sessions
import Storage
import Testing

/// What a server that was killed finds again.
@Suite struct WebhookStoreTests {
    private let directory = FileManager.default.temporaryDirectory.appendingPathComponent("webhooks-\(UUID().uuidString)").path

    private func withStore(_ body: (Store) async throws -> Void) async throws {
        let store = try Store.open(directory: directory, durability: .process, logger: Logger(label: "test"))
        try await body(store)
        await store.close()
    }

    private func endpoint(_ id: String) throws -> WebhookEndpoint {
        let secret = try #require(WebhookSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))
        let old = try #require(WebhookSecret("a secret of sixteen"))
        var endpoint = WebhookEndpoint(
            id: id, owner: "ann", name: "hook", url: "https://example.com/hook", eventTypes: ["batch.failed"], responses: .all,
            secrets: WebhookSecrets(secret, previous: (old, 1_700_000_000)), createdAt: 1_600_000_000)
        endpoint.state = .disabled(at: 1_650_000_000, reason: "dead")
        endpoint.failures = 3
        endpoint.lastSuccessAt = 1_640_000_000_123
        return endpoint
    }

    private func delivery(_ object: String, to endpointID: String) -> WebhookDelivery {
        let event = WebhookEvent(type: "batch.failed", owner: "ann", objectID: object, createdAt: 1_600_000_000)
        var delivery = WebhookDelivery(event: event, endpointID: endpointID, dueAt: 1_600_000_005_000)
        delivery.attempts = [.init(at: 1_600_000_000_500, milliseconds: 12, status: 503, error: "status_503")]
        delivery.attemptCount = 1
        delivery.roundAttemptCount = 1
        delivery.roundBeganAt = 1_600_000_000_500
        return delivery
    }

    private func write(_ changes: [WebhookChange], to store: Store) async -> Bool {
        await withCheckedContinuation { continuation in
            store.writeWebhooks(changes) { continuation.resume(returning: $0) }
        }
    }

    @Test func endpointsAndDeliveriesComeBackAsTheyWere() async throws {
        let first = try endpoint("we_1")
        let second = try endpoint("we_2")
        let deliveries = [delivery("batch_a", to: "we_1"), delivery("batch_b", to: "we_2")]
        try await withStore { store in
            #expect(await write([.put(second), .put(first)] + deliveries.map { .add($0) }, to: store))
        }
        try await withStore { store in
            let snapshot = try await store.loadWebhooks()
            #expect(snapshot.endpoints == [second, first])
            #expect(snapshot.deliveries == deliveries)
        }
    }

    @Test func aDeliveryThatIsNotedAgainStaysAsItIs() async throws {
        let fresh = delivery("batch_a", to: "we_1")
        var done = fresh
        done.state = .delivered
        try await withStore { store in
            #expect(await write([.add(fresh), .update(done), .add(fresh)], to: store))
            let snapshot = try await store.loadWebhooks()
            #expect(snapshot.deliveries == [done])
        }
    }

    @Test func anEndpointGoesWithItsDeliveries() async throws {
        let endpoint = try endpoint("we_1")
        let kept = delivery("batch_b", to: "we_2")
        try await withStore { store in
            #expect(await write([.put(endpoint), .add(delivery("batch_a", to: "we_1")), .add(kept)], to: store))
            #expect(await write([.removeEndpoint(id: "we_1")], to: store))
            let snapshot = try await store.loadWebhooks()
            #expect(snapshot.endpoints.isEmpty && snapshot.deliveries == [kept])
            #expect(await write([.remove(kept.key)], to: store))
            let emptied = try await store.loadWebhooks()
            #expect(emptied.deliveries.isEmpty)
        }
    }

    private func response(_ id: String, ordinal: Int, _ status: Generation.Status) -> GenerationRecord {
        GenerationRecord(
            id: id, ordinal: ordinal, createdAt: 1, completedAt: nil, parameters: ResponseParameters(model: "m"),
            previousResponseID: nil,
            policy: .continuing, input: [.userMessage("hi")], output: [], status: status, usage: nil, deltaCount: 0,
            conversationItemCount: nil, firstSequence: 1, eventCount: 1, continuesLastMessage: false, route: ResponseRoute())
    }

    @Test func nobodyIsToldOfAnEndThatACrashUndid() async throws {
        func awaiting(_ id: String, _ type: String) -> WebhookDelivery {
            let event = WebhookEvent(type: type, owner: "ann", objectID: id, createdAt: 1)
            var delivery = WebhookDelivery(event: event, endpointID: "we_1", dueAt: 1000)
            delivery.awaitsEnd = true
            return delivery
        }
        let told = awaiting("resp_ended", "response.completed")
        try await withStore { store in
            var changes = SessionChanges()
            let session = store.makeKey()
            let record = SessionRecord(
                id: "sess_1", owner: "ann", createdAt: 1, defaults: ResponseParameters(model: "m"), mode: .queue,
                policy: .continuing, metadata: [:], forkedFrom: nil)
            changes.insert(record, key: session, ordinal: 1)
            let responses = [("resp_ended", Generation.Status.completed), ("resp_runs", .inProgress), ("resp_cut", .cancelled)]
            for (index, (id, status)) in responses.enumerated() {
                changes.put(response(id, ordinal: index + 1, status), session: session, now: 1)
            }
            #expect(await ModelRun.commit(changes, to: store) == nil)
            let untrue = [
                awaiting("resp_runs", "response.completed"), awaiting("resp_cut", "response.completed"),
                awaiting("resp_never_kept", "response.completed"),
            ]
            #expect(await write(([told] + untrue).map { .add($0) }, to: store))
        }
        try await withStore { store in
            let snapshot = try await store.loadWebhooks()
            #expect(snapshot.deliveries.map(\.key) == [told.key])
            #expect(snapshot.deliveries.allSatisfy { !$0.awaitsEnd })
            // The others are gone, so that they can be noted again when they have ended.
            #expect(await write([.add(delivery("resp_runs", to: "we_1"))], to: store))
        }
    }
}

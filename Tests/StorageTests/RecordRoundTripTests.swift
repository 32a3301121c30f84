import Foundation
import JSON
import Jobs
import Logging
import Sessions
import Testing
import ToldSession

@testable import Storage

/// What is read from the database is what was written, to the last optional, or an error.
@Suite struct RecordRoundTripTests {
    /// Everything that a value holds: two texts are the same only if nil is nil and null is null on both sides.
    private func everything<Value>(in value: Value) -> String {
        var text = ""
        dump(value, to: &text, maxDepth: 64, maxItems: 10_000)
        return text
    }

    private func withStore(_ body: (Store) async throws -> Void) async throws {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("interject-\(UUID())").path
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let store = try Store.open(directory: directory, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        try await body(store)
        await store.close()
    }

    private func load(_ id: String, from store: Store) async throws -> StoredSession {
        let loaded = try await withCheckedContinuation { continuation in
            store.loadSession(id, owner: nil, maxTailBytes: 1 << 20) { continuation.resume(returning: $0) }
        }.get()
        return try #require(loaded).session
    }

    @Test func aSessionWithItsItemsAndResponsesComesBackAsItWas() async throws {
        try await withStore { store in
            for seed in 1...60 as ClosedRange<UInt64> {
                var random = RandomRecords(seed: seed)
                let session = random.session("sess_\(seed)")
                let items = random.list { $0.item() }
                let generations = (0..<3).map { random.generation("resp_\(seed)_\($0)", ordinal: $0 + 1) }
                var changes = SessionChanges()
                let key = store.makeKey()
                changes.insert(session, key: key, ordinal: Int(seed))
                changes.insert(items, session: key, position: 0, now: 1)
                for generation in generations { changes.put(generation, session: key, now: 1) }
                #expect(await ModelRun.commit(changes, to: store) == nil)
                let stored = try await load(session.id, from: store)
                #expect(everything(in: stored.record) == everything(in: session), "seed \(seed)")
                #expect(everything(in: stored.items) == everything(in: items), "seed \(seed)")
                #expect(everything(in: stored.generations) == everything(in: generations), "seed \(seed)")
            }
        }
    }

    @Test func aMessageThatWasNoChatMessageIsNoneAfterwards() throws {
        let item = try Item(stored: JSONValue.column(Item.userMessage("hi").stored.columnText))
        #expect(item.chatMessage == nil)
    }

    @Test func filesBatchesAndAnswersComeBackAsTheyWere() async throws {
        try await withStore { store in
            for seed in 1...40 as ClosedRange<UInt64> {
                var random = RandomRecords(seed: seed)
                let file = random.file("file_\(seed)")
                try await store.insert(file)
                #expect(try await store.file(file.id, owner: file.owner, now: 1) == file, "seed \(seed)")
                let batch = try random.batch("batch_\(seed)")
                try await store.insert(batch)
                let kept = try await store.batch(batch.id, owner: batch.owner)
                #expect(everything(in: kept) == everything(in: Batch?.some(batch)), "seed \(seed)")
                // One that was never answered does not outlive the process.
                var answer = random.answer("key_\(seed)")
                if answer.responseID == nil, answer.answer == nil, answer.status == nil { answer.status = 410 }
                let put = answer
                await withCheckedContinuation { continuation in IdempotencyStore(store).put(put) { continuation.resume() } }
                let answers = try await IdempotencyStore(store).load(since: 0, limit: 1000, maxAnswerBytes: 1 << 20)
                #expect(answers.first { $0.key == answer.key } == answer, "seed \(seed)")
            }
        }
    }

    @Test func webhooksComeBackAsTheyWere() throws {
        for seed in 1...60 as ClosedRange<UInt64> {
            var random = RandomRecords(seed: seed)
            let delivery = random.delivery(seed)
            #expect(try WebhookDelivery(record: JSONValue.column(delivery.record.description)) == delivery, "seed \(seed)")
            let made = random.endpoint("we_\(seed)")
            let endpoint = try #require(made)
            #expect(try WebhookEndpoint(record: JSONValue.column(endpoint.record.description)) == endpoint, "seed \(seed)")
        }
    }

    /// Nothing is replaced by a default: a member that is missing, or of another type, is told by its name.
    @Test func whatIsMalformedIsRefused() throws {
        var random = RandomRecords(seed: 7)
        var generation = random.generation("resp_1")
        generation.status = .incomplete(.steered)
        let optional: Set<String> = [
            "completed_at", "previous_response_id", "usage", "item_count", "first_sequence", "verdict", "key_id", "spent",
            "conclusion",
        ]
        for key in generation.stored.object?.keys ?? [] {
            for wrong in [nil, JSONValue.null, [[]]] where wrong == [[]] || !optional.contains(key) {
                var stored = generation.stored
                stored[key] = wrong
                #expect(throws: JSONRecord.Malformed.self, "\(key): \(String(describing: wrong))") {
                    _ = try GenerationRecord(id: "resp_1", ordinal: 1, status: "incomplete", stored: stored)
                }
            }
        }
        #expect(throws: JSONRecord.Malformed.self) { try Item(id: "i", status: "done", body: "{}") }
        #expect(throws: JSONRecord.Malformed.self) { try Item(id: "i", status: "completed", body: "[]") }
    }
}

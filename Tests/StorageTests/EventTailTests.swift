import Foundation
import GRDB
import JSON
import Logging
import Sessions
import Testing

@testable import Storage

/// The log against a model of it: what was acknowledged is there, in its order, however it came to stand where it stands.
@Suite struct EventTailTests {
    @Test(arguments: 1...8)
    func whateverHappensTheLogIsWhatWasAcknowledged(seed: UInt64) async throws {
        var run = try ModelRun(seed: seed)
        defer { run.removeDirectories() }
        for _ in 0..<80 { try await run.step() }
        try await run.check()
        await run.store.close()
    }

    @Test func aFileOfAnOlderVersionIsRead() async throws {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("interject-\(UUID())").path
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        let queue = try DatabaseQueue(path: directory + "/interject.sqlite")
        try Migrations.migrator.migrate(queue, upTo: "webhooks")
        let counts = [1: 700, 2: 1, 3: 64]
        try await queue.write { db in
            for (key, count) in counts {
                try db.execute(
                    sql: """
                        INSERT INTO sessions (key, id, owner, ordinal, created_at, used_at, defaults, mode, policy, metadata)
                        VALUES (?, ?, 'ann', ?, 1, 1, ?, 'interrupt', 'continue', '{}')
                        """,
                    arguments: [
                        key, "sess_\(key)", key, ResponseParameters(model: "m", instructions: nil, members: [:]).stored.columnText,
                    ])
                for sequence in 1...count {
                    let event = ModelRun.event(sequence, "\(key).\(sequence)")
                    try db.execute(
                        sql: "INSERT INTO events VALUES (?, ?, NULL, ?, ?, ?, ?, ?)",
                        arguments: [
                            key, sequence, event.responseSequence, event.delta.lowerBound, event.delta.upperBound,
                            event.outputIndex, data(event.payload),
                        ])
                }
            }
        }
        try queue.close()
        // As it is, for who only reads.
        let texts = counts.mapValues { count in count }
        for (key, count) in texts {
            #expect(try ModelRun.archived("sess_\(key)", in: directory).map(\.sequence) == Array(1...count))
        }
        let store = try ModelRun.open(directory)
        for (key, count) in counts {
            let loaded = try #require(try await ModelRun.load("sess_\(key)", from: store))
            #expect(loaded.tail == (1...count).map { ModelRun.Told(sequence: $0, text: "\(key).\($0)") })
            #expect(try ModelRun.archived("sess_\(key)", in: directory) == loaded.tail)
        }
        await store.close()
    }

    @Test func manySessionsDoNotMakeTheTailGrowBeyondItsBound() async throws {
        var run = try ModelRun(seed: 99)
        defer { run.removeDirectories() }
        // One that says something once and then no more holds the tail up.
        try await run.speak(session: try await run.makeSession(), count: 1)
        let busy = try await run.makeSession()
        for _ in 0..<60 { try await run.speak(session: busy, count: 30) }
        let bytes = try await run.store.read { try Int.fetchOne($0, sql: "SELECT sum(length(payload)) FROM event_tail") ?? 0 }
        #expect(bytes < ModelRun.maxTailByteCount + (300 << 10))
        try await run.check()
        await run.store.close()
    }

    @Test func anEventThatDoesNotFollowTheLastIsRefused() async throws {
        var run = try ModelRun(seed: 98)
        defer { run.removeDirectories() }
        let session = try await run.makeSession()
        try await run.speak(session: session, count: 3)
        for wrong in [1, 3, 5] {
            var changes = SessionChanges()
            changes.append(ModelRun.event(wrong, "x"), session: session, response: 0)
            guard case .refused? = await ModelRun.commit(changes, to: run.store) else {
                Issue.record("event \(wrong) was taken")
                continue
            }
        }
        try await run.check()
        await run.store.close()
    }
}

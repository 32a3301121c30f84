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

    /// What was written before the first release has no users: it is told, and stays as it is.
    @Test func aFileFromBeforeTheFirstReleaseIsRefused() throws {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("interject-\(UUID())").path
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        let path = directory + "/interject.sqlite"
        let queue = try DatabaseQueue(path: path)
        var old = DatabaseMigrator()
        old.registerMigration("sessions") { try $0.execute(sql: "CREATE TABLE sessions (key INTEGER PRIMARY KEY)") }
        try old.migrate(queue)
        try queue.close()
        #expect(throws: StorageError.unreleasedVersion(path: path)) { try ModelRun.open(directory) }
        #expect(throws: StorageError.unreleasedVersion(path: path)) { try SessionArchive(directory: directory) }
        #expect(throws: StorageError.unreleasedVersion(path: path)) { try APIKeyFile(directory: directory, makesMissing: true) }
        #expect(try DatabaseQueue(path: path).read { try $0.tableExists("api_keys") } == false)
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
            changes.append(ModelRun.event(wrong, "x"), session: session)
            guard case .refused? = await ModelRun.commit(changes, to: run.store) else {
                Issue.record("event \(wrong) was taken")
                continue
            }
        }
        try await run.check()
        await run.store.close()
    }
}

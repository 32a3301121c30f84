import Foundation
import GRDB
import Glibc
import JSON
import Logging
import Sessions
import Testing

@testable import Storage

/// A data directory that is not as it was left: told, never papered over.
@Suite final class DataFolderTests {
    private let directory = FileManager.default.temporaryDirectory.appendingPathComponent("interject-\(UUID())").path
    private var path: String { directory + "/interject.sqlite" }

    deinit { try? FileManager.default.removeItem(atPath: directory) }

    private func open() throws -> Store {
        try Store.open(directory: directory, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    private static func commit(_ store: Store, ordinal: Int) async -> StorageError? {
        let key = store.makeKey()
        let record = SessionRecord(
            id: "sess_\(key)", owner: "ann", createdAt: 1, defaults: ResponseParameters(model: "m"), mode: .queue,
            policy: .continuing, metadata: [:], forkedFrom: nil)
        return await withCheckedContinuation { continuation in
            var changes = SessionChanges()
            changes.insert(record, key: key, ordinal: ordinal)
            SessionOutbox(store) { continuation.resume(returning: $1) }.take(&changes)
        }
    }

    /// The write-ahead log is in the database then, and gone: a copy of the file alone has everything.
    @Test func aCleanStopLeavesTheDatabaseAlone() async throws {
        let store = try open()
        #expect(await Self.commit(store, ordinal: 1) == nil)
        // Each reader has a connection of its own.
        let counts = try await withThrowingTaskGroup(of: Int?.self) { group in
            for _ in 0..<4 { group.addTask { try await store.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM sessions") } } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(counts == [1, 1, 1, 1])
        #expect(access(path + "-wal", F_OK) == 0)
        await store.close()
        let left = try FileManager.default.contentsOfDirectory(atPath: directory).sorted()
        #expect(left == ["interject.identity", "interject.lock", "interject.sqlite"])
        let again = try open()
        #expect(again.loss == nil)
        await again.close()
    }

    @Test func anEmptyDatabaseIsRefused() async throws {
        await (try open()).close()
        #expect(truncate(path, 0) == 0)
        #expect(throws: StorageError.empty(path: path)) { try self.open() }
        #expect(throws: StorageError.empty(path: path)) { try APIKeyFile(directory: self.directory) }
        #expect(throws: StorageError.empty(path: path)) { try SessionArchive(directory: self.directory) }
        var status = stat()
        #expect(stat(path, &status) == 0 && status.st_size == 0)
    }

    @Test func aDatabaseOfSomebodyElseIsNeitherFilledNorChanged() throws {
        try DataFiles.makeDirectory(directory)
        let queue = try DatabaseQueue(path: path)
        try queue.write { try $0.execute(sql: "CREATE TABLE notes (text TEXT)") }
        try queue.close()
        #expect(throws: StorageError.unreadable(path: path, reason: "it is not one of Interject's")) { try self.open() }
        #expect(throws: StorageError.unreadable(path: path, reason: "it is not one of Interject's")) {
            try APIKeyFile(directory: self.directory)
        }
        let tables = try DatabaseQueue(path: path).read { try String.fetchAll($0, sql: "SELECT name FROM sqlite_master") }
        #expect(tables == ["notes"])
    }

    @Test(arguments: [(Store.Durability.full, 2), (.process, 1)])
    func eachCommitIsSyncedAsItsDurabilityPromises(_ durability: Store.Durability, _ synchronous: Int) async throws {
        let store = try Store.open(
            directory: directory, durability: durability, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        func setting() async throws -> Int? {
            try await store.pool.writeWithoutTransaction { try Int.fetchOne($0, sql: "PRAGMA synchronous") }
        }
        #expect(try await setting() == synchronous)
        try await store.pool.writeWithoutTransaction { db in try db.durably {} }
        #expect(try await setting() == synchronous)
        await store.close()
    }

    @Test func aDatabaseOfAnEarlierStateIsRefused() async throws {
        await (try open()).close()
        try await DatabaseQueue(path: path).write { try $0.execute(sql: "DROP TABLE store_mark") }
        #expect(throws: StorageError.unreleasedVersion(path: path)) { try self.open() }
        #expect(throws: StorageError.unreleasedVersion(path: path)) { try SessionArchive(directory: self.directory) }
    }

    @Test func aWriteAheadLogAloneIsRefused() throws {
        try DataFiles.makeDirectory(directory)
        _ = FileManager.default.createFile(atPath: path + "-wal", contents: Data(count: 4096))
        #expect(throws: StorageError.incomplete(path: path)) { try self.open() }
    }

    @Test func whatIsLeftOfADatabaseThatWasBeingMadeIsNotInTheWay() async throws {
        try DataFiles.makeDirectory(directory)
        _ = FileManager.default.createFile(atPath: path + ".new", contents: Data("half".utf8))
        await (try open()).close()
        #expect(access(path, F_OK) == 0 && access(path + ".new", F_OK) != 0)
    }

    @Test func removingTheLockFileLetsNobodyIn() async throws {
        let store = try open()
        #expect(unlink(directory + "/interject.lock") == 0)
        #expect(throws: StorageError.inUse(path: directory)) { try self.open() }
        await store.close()
        await (try open()).close()
    }

    @Test func aDatabaseThatAnotherProcessLocksIsSaidToBeLocked() async throws {
        await (try open()).close()
        var configuration = Configuration()
        configuration.prepareDatabase { try $0.execute(sql: "PRAGMA locking_mode = EXCLUSIVE") }
        let other = try DatabaseQueue(path: path, configuration: configuration)
        try await other.write { try $0.execute(sql: "UPDATE revisions SET value = value") }
        #expect(throws: StorageError.locked(path: path)) { try self.open() }
    }

    @Test(arguments: ["", "-wal"], [true, false])
    func nothingIsCommittedWhileAFileIsGone(_ suffix: String, isReplaced: Bool) async throws {
        let store = try open()
        #expect(await Self.commit(store, ordinal: 1) == nil)
        #expect(store.failure == nil)
        let file = path + suffix
        #expect(rename(file, file + ".away") == 0)
        if isReplaced { _ = FileManager.default.createFile(atPath: file, contents: Data("other".utf8)) }
        // Also when nothing is written.
        try await waitUntil { store.failure != nil }
        #expect("\(try #require(store.failure))".contains(isReplaced ? "replaced" : "removed"))
        async let waiting = Self.commit(store, ordinal: 2)
        try await Task.sleep(for: .milliseconds(300))
        #expect(store.failure != nil)
        #expect(rename(file + ".away", file) == 0)
        let error = await waiting
        #expect(error == nil)
        try await waitUntil { store.failure == nil }
        await store.close()
        let again = try open()
        #expect(try await again.sessionIDs(SessionFilter()).count == 2)
        await again.close()
    }

    private func waitUntil(_ condition: () -> Bool) async throws {
        for _ in 0..<200 where !condition() { try await Task.sleep(for: .milliseconds(50)) }
        #expect(condition())
    }
}

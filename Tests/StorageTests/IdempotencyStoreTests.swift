import Foundation
import GRDB
import JSON
import Jobs
import Logging
import Sessions
import Testing

@testable import Storage

/// What the rows of clients' names hold, and what they hold no more when it is deleted.
@Suite final class IdempotencyStoreTests {
    private let directory = FileManager.default.temporaryDirectory.appendingPathComponent("interject-names-\(UUID())").path

    deinit { try? FileManager.default.removeItem(atPath: directory) }

    private func withStore(_ body: (Store) async throws -> Void) async throws {
        let store = try Store.open(directory: directory, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        try await body(store)
        await store.close()
    }

    private let parameters = ResponseParameters(model: "m", instructions: nil, members: [:], chatMembers: nil)

    private func commit(_ store: Store, _ body: (inout SessionChanges) -> Void) async -> StorageError? {
        await withCheckedContinuation { continuation in
            var changes = SessionChanges()
            body(&changes)
            SessionOutbox(store) { continuation.resume(returning: $1) }.take(&changes)
        }
    }

    private func commitWell(_ store: Store, _ body: (inout SessionChanges) -> Void) async {
        let error = await commit(store, body)
        #expect(error == nil)
    }

    private func makeSession(_ id: String, key: Int, in store: Store) async {
        let record = SessionRecord(
            id: id, owner: "ann", createdAt: 1, defaults: parameters, mode: .interrupt, policy: .continuing, metadata: [:],
            forkedFrom: nil)
        await commitWell(store) { $0.insert(record, key: key, ordinal: key) }
    }

    private func makeResponse(_ id: String, ordinal: Int, session: Int, in store: Store) async {
        let record = GenerationRecord(
            id: id, ordinal: ordinal, createdAt: 1, completedAt: 2, parameters: parameters, previousResponseID: nil,
            policy: .continuing, input: [], output: [], status: .completed, usage: nil, deltaCount: 0, conversationItemCount: 0,
            firstSequence: 1, eventCount: 1,
            continuesLastMessage: false, route: ResponseRoute())
        await commitWell(store) { $0.put(record, session: session, now: 1) }
    }

    private func put(_ key: String, object: String? = nil, quoted: String? = nil, at time: Int = 0, in store: Store) async {
        var record = IdempotencyRecord(owner: "ann", key: key, fingerprint: [1], responseID: nil, createdAt: time)
        record.answer = Array("words".utf8)
        record.status = 202
        record.object = object
        record.quoted = quoted
        let made = record
        await withCheckedContinuation { continuation in IdempotencyStore(store).put(made) { continuation.resume() } }
    }

    /// Names with their status, and whether they hold words.
    private func rows(_ store: Store) async throws -> [String: String] {
        try await store.read { db in
            let rows = try Row.fetchAll(
                db, sql: "SELECT key, status || iif(answer IS NULL, '', ' words') AS told FROM idempotency_keys")
            return Dictionary(uniqueKeysWithValues: rows.map { ($0["key"], $0["told"]) })
        }
    }

    @Test func answersGoWithTheirSessionAndWithTheResponseThatTheyQuote() async throws {
        try await withStore { store in
            let (first, second) = (store.makeKey(), store.makeKey())
            await makeSession("sess_1", key: first, in: store)
            await makeSession("sess_2", key: second, in: store)
            await makeResponse("resp_1", ordinal: 1, session: second, in: store)
            await makeResponse("resp_2", ordinal: 2, session: second, in: store)
            await put("of the first", object: "sess_1", in: store)
            await put("of the second", object: "sess_2", in: store)
            await put("quotes", object: "sess_2", quoted: "resp_1", in: store)
            await put("quotes another", object: "sess_2", quoted: "resp_2", in: store)
            await commitWell(store) { $0.delete(response: "resp_1") }
            var rows = try await self.rows(store)
            #expect(
                rows == ["of the first": "202 words", "of the second": "202 words", "quotes": "410", "quotes another": "202 words"])
            await commitWell(store) { $0.delete(session: first) }
            rows = try await self.rows(store)
            #expect(rows["of the first"] == "410")
            // By retention and `interject purge`.
            let count = try await store.deleteSessions(["sess_2"])
            rows = try await self.rows(store)
            #expect(count == 1 && Set(rows.values) == ["410"])
        }
    }

    /// An answer that comes to the store behind the deletion of what it tells of.
    @Test func anAnswerThatComesTooLateIsKeptWithoutItsWords() async throws {
        try await withStore { store in
            let key = store.makeKey()
            await makeSession("sess_1", key: key, in: store)
            await put("in time", object: "sess_1", in: store)
            await put("quotes what is not there", object: "sess_1", quoted: "resp_none", in: store)
            await commitWell(store) { $0.delete(session: key) }
            await put("late", object: "sess_1", in: store)
            let rows = try await self.rows(store)
            #expect(rows == ["in time": "410", "late": "410", "quotes what is not there": "410"])
        }
    }

    @Test func answersGoWithTheirFilesAndBatchesAndOthersAreTold() async throws {
        let told = LockedList()
        try await withStore { store in
            IdempotencyStore(store).onErase { told.append($0) }
            let file = StoredFile(
                id: "file-1", owner: "ann", purpose: "batch", filename: "f", byteCount: 1, createdAt: 1, expiresAt: nil)
            try await store.insert(file)
            await put("upload", object: "file-1", in: store)
            let others = try await store.deleteFile("file-1", owner: "bob")
            var rows = try await self.rows(store)
            #expect(others == nil && rows == ["upload": "202 words"])
            let own = try await store.deleteFile("file-1", owner: "ann")
            rows = try await self.rows(store)
            #expect(own != nil && rows == ["upload": "410"])
        }
        #expect(told.all == ["file-1"])
    }

    @Test func oldOnesGoAFewAtATimeTheOldestFirst() async throws {
        try await withStore { store in
            let names = IdempotencyStore(store)
            for number in 0..<(IdempotencyStore.maxRowsAtATime + 3) {
                names.put(.init(owner: "ann", key: "\(number)", fingerprint: [], responseID: "r", createdAt: number))
            }
            let counts = [try await names.removeSome(before: 502), try await names.removeSome(before: 502)]
            #expect(counts == [IdempotencyStore.maxRowsAtATime, 2])
            let left = try await names.load(since: 0, limit: .max, maxAnswerBytes: .max)
            #expect(left.map(\.key) == ["502"])
        }
    }

    @Test func aStartTakesNoMoreThanTheNewestThatAreWithinTheLimits() async throws {
        try await withStore { store in
            for number in 0..<20 { await put("\(number)", at: number, in: store) }
            let names = IdempotencyStore(store)
            var loaded = try await names.load(since: 0, limit: 10, maxAnswerBytes: .max)
            #expect(loaded.map(\.key) == (10..<20).map(String.init))
            loaded = try await names.load(since: 0, limit: 10, maxAnswerBytes: 18)
            let rows = try await self.rows(store)
            #expect(loaded.map(\.key) == (17..<20).map(String.init) && rows.count == 3)
        }
    }
}

/// What was told on other threads.
private final class LockedList: @unchecked Sendable {
    private let lock = NSLock()
    private var list: [String] = []

    func append(_ ids: [String]) { lock.withLock { list += ids } }
    var all: [String] { lock.withLock { list } }
}

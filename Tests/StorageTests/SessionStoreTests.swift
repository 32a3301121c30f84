import Foundation
import JSON
import Logging
import Sessions
import Storage
import Testing

@Suite struct SessionStoreTests {
    /// A store in a directory of its own, which is removed at the end.
    private func withDirectory(_ body: (String) async throws -> Void) async throws {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("interject-\(UUID())").path
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try await body(directory)
    }

    private func open(_ directory: String) throws -> Store {
        try Store.open(directory: directory, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    private func commit(_ changes: SessionChanges, to store: Store) async -> StorageError? {
        await withCheckedContinuation { continuation in
            var changes = changes
            SessionOutbox(store) { continuation.resume(returning: $1) }.take(&changes)
        }
    }

    private func load(_ id: String, owner: String? = nil, maxTailBytes: Int = 1 << 20, from store: Store) async throws
        -> Store.LoadedSession?
    {
        try await withCheckedContinuation { continuation in
            store.loadSession(id, owner: owner, maxTailBytes: maxTailBytes) { continuation.resume(returning: $0) }
        }.get()
    }

    private let record = SessionRecord(
        id: "sess_1", owner: "ann", createdAt: 1_700_000_000,
        defaults: ResponseParameters(
            model: "m", instructions: "be \"brief\"", members: ["temperature": 0.5], chatMembers: ["n": 1]),
        mode: .steer, policy: .grace(.seconds(7)), metadata: ["a": "b"], forkedFrom: "resp_0")

    private func event(_ sequence: Int, response: ResponseReference?, delta: String) -> Sessions.LogEvent {
        let head = #"{"type":"response.output_text.delta","sequence_number":\#(sequence),"delta":""#
        let payload = Array((head + delta + "\"}").utf8)
        return Sessions.LogEvent(
            sequence: sequence, type: .outputTextDelta, response: response, responseSequence: sequence - 1, payload: payload,
            delta: head.utf8.count..<(head.utf8.count + delta.utf8.count), outputIndex: 0, endOffset: 0)
    }

    private func generation(_ id: String, _ status: Generation.Status) -> GenerationRecord {
        GenerationRecord(
            id: id, createdAt: 1, completedAt: 2, parameters: record.defaults, previousResponseID: "resp_0", policy: .continuing,
            input: [.userMessage("hi ☃")],
            output: [Item(id: "msg_2", status: .incomplete, body: ["type": "message"], chatMessage: ["role": "x"])], status: status,
            usage: Usage(inputTokens: 1, outputTokens: 2, cachedTokens: 3, reasoningTokens: 4, isEstimated: true), deltaCount: 5,
            conversationItemCount: 6, firstSequence: 1, eventCount: 8, continuesLastMessage: true,
            route: ResponseRoute(upstream: "u", attempts: 2, faults: [.init(upstream: "v", fault: "timeout")]))
    }

    /// Against a plain list, with additions and deletions in one commit and in several, and over a restart.
    @Test func itemsStayInTheirOrderWhicheverAreDeleted() async throws {
        try await withDirectory { directory in
            var store = try open(directory)
            let session = store.makeKey()
            var changes = SessionChanges()
            changes.insert(record, key: session, ordinal: 1)
            var expected: [String] = []
            for step in 0..<60 {
                let items = (0..<step % 4).map { _ in Item.userMessage("hi") }
                changes.insert(items, session: session, position: expected.count, now: 1)
                expected += items.map(\.id)
                for _ in 0..<step % 3 where !expected.isEmpty {
                    let place = step * 7 % expected.count
                    changes.deleteItem(session: session, position: place, now: 1)
                    expected.remove(at: place)
                }
                if step % 5 == 0 {
                    let error = await commit(changes, to: store)
                    #expect(error == nil)
                    changes = SessionChanges()
                }
            }
            let error = await commit(changes, to: store)
            #expect(error == nil && expected.count > 20)
            await store.close()
            store = try open(directory)
            let loaded = try #require(try await load("sess_1", from: store))
            #expect(loaded.session.items.map(\.id) == expected)
            await store.close()
        }
    }

    @Test func aDeletedResponseIsGoneAndItsNumberIsNotGivenAgain() async throws {
        try await withDirectory { directory in
            let store = try open(directory)
            let (session, response) = (store.makeKey(), store.makeKey())
            var changes = SessionChanges()
            changes.insert(record, key: session, ordinal: 1)
            changes.put(generation("resp_1", .completed), key: response, session: session, now: 5)
            changes.append(
                event(1, response: ResponseReference("resp_1", sessionID: "sess_1"), delta: "d"), session: session,
                response: response)
            changes.delete(response: response)
            #expect(await commit(changes, to: store) == nil)
            await store.close()

            let again = try open(directory)
            #expect(again.makeKey() > response)
            let loaded = try #require(try await load("sess_1", from: again))
            #expect(loaded.session.generations.isEmpty)
            #expect(loaded.tail.map { $0.response?.id } == [nil])
            await again.close()
        }
    }

    @Test func anItemThatIsTakenOutLetsTheOthersMoveUp() async throws {
        try await withDirectory { directory in
            let store = try open(directory)
            let session = store.makeKey()
            var changes = SessionChanges()
            changes.insert(record, key: session, ordinal: 1)
            changes.insert((0..<5).map { .userMessage("\($0)") }, session: session, position: 0, now: 5)
            changes.deleteItem(session: session, position: 0, now: 5)
            changes.deleteItem(session: session, position: 1, now: 5)
            changes.insert([.userMessage("5")], session: session, position: 3, now: 5)
            changes.setMetadata(["new": "1"], session: session, now: 5)
            #expect(await commit(changes, to: store) == nil)
            let loaded = try #require(try await load("sess_1", from: store))
            #expect(loaded.session.items.map(\.text) == ["1", "3", "4", "5"])
            #expect(loaded.session.record.metadata == ["new": "1"])
            await store.close()
        }
    }

    @Test func retentionSparesWhatWasUsedMeanwhile() async throws {
        try await withDirectory { directory in
            let store = try open(directory)
            var changes = SessionChanges()
            let session = store.makeKey()
            changes.insert(record, key: session, ordinal: 1)
            // Used at 1,800,000,000, after it was listed.
            changes.put(generation("resp_1", .completed), key: store.makeKey(), session: session, now: 1_800_000_000)
            #expect(await commit(changes, to: store) == nil)
            #expect(try await store.deleteSessions(["sess_1"], unusedSince: 1_750_000_000) == 0)
            #expect(try await load("sess_1", from: store) != nil)
            #expect(try await store.deleteSessions(["sess_1"], unusedSince: 1_800_000_001) == 1)
            #expect(try await load("sess_1", from: store) == nil)
            await store.close()
        }
    }

    /// As the Conversations API writes, without asking a model.
    @Test func retentionSparesWhatWasWrittenWithoutAResponse() async throws {
        let now = 1_800_000_000
        let writes: [@Sendable (inout SessionChanges, Int) -> Void] = [
            { $0.insert([.userMessage("new")], session: $1, position: 1, now: now) },
            { $0.deleteItem(session: $1, position: 0, now: now) },
            { $0.setMetadata(["a": "b"], session: $1, now: now) },
        ]
        for write in writes {
            try await withDirectory { directory in
                let store = try open(directory)
                let session = store.makeKey()
                var changes = SessionChanges()
                changes.insert(record, key: session, ordinal: 1)
                changes.insert([.userMessage("old")], session: session, position: 0, now: 1_700_000_000)
                #expect(await commit(changes, to: store) == nil)
                var later = SessionChanges()
                write(&later, session)
                #expect(await commit(later, to: store) == nil)
                #expect(try await store.deleteSessions(["sess_1"], unusedSince: now) == 0)
                #expect(try await store.deleteSessions(["sess_1"], unusedSince: now + 1) == 1)
                await store.close()
            }
        }
    }

    @Test func aRefusedChangeCostsTheOthersNothing() async throws {
        try await withDirectory { directory in
            let store = try open(directory)
            let session = store.makeKey()
            var first = SessionChanges()
            first.insert(record, key: session, ordinal: 1)
            first.append(event(1, response: nil, delta: "a"), session: session, response: 0)
            #expect(await commit(first, to: store) == nil)
            var twice = SessionChanges()
            twice.append(event(1, response: nil, delta: "b"), session: session, response: 0)
            var next = SessionChanges()
            next.append(event(2, response: nil, delta: "c"), session: session, response: 0)
            async let refused = commit(twice, to: store)
            async let taken = commit(next, to: store)
            guard case .refused = await refused else { throw StorageError.closed }
            #expect(await taken == nil)
            // The fault was the change's, and no sign that the disk fails.
            #expect(store.failure == nil && store.statistics.failures == 0)
            #expect(try await load("sess_1", from: store)?.lastSequence == 2)
            await store.close()
        }
    }

    @Test func whatWasCommittedIsThereAfterAnotherStart() async throws {
        try await withDirectory { directory in
            let store = try open(directory)
            let (session, first, second) = (store.makeKey(), store.makeKey(), store.makeKey())
            let failure = GenerationError(code: "c", message: "m", status: 429, type: "t", retryAfterSeconds: 1.5)
            var changes = SessionChanges()
            changes.insert(record, key: session, ordinal: 12)
            changes.insert([.userMessage("one"), .userMessage("two")], session: session, position: 0, now: 5)
            changes.put(generation("resp_1", .inProgress), key: first, session: session, now: 5)
            changes.put(generation("resp_2", .failed(failure)), key: second, session: session, now: 6)
            let reference = ResponseReference("resp_1", sessionID: "sess_1")
            for sequence in 1...9 {
                changes.append(event(sequence, response: reference, delta: "d\(sequence)"), session: session, response: first)
            }
            #expect(await commit(changes, to: store) == nil)
            await store.close()

            let again = try open(directory)
            #expect(again.makeKey() > second)
            let loaded = try #require(try await load("sess_1", from: again))
            #expect(loaded.key == session)
            #expect(loaded.ordinal == 12)
            #expect(loaded.lastSequence == 9)
            #expect(loaded.oldestSequence == 1)
            #expect(loaded.session.record.mode == .steer)
            #expect(loaded.session.record.policy == .grace(.seconds(7)))
            #expect(loaded.session.record.defaults.members == ["temperature": 0.5])
            #expect(loaded.session.record.forkedFrom == "resp_0")
            #expect(loaded.session.items.map(\.text) == ["one", "two"])
            #expect(loaded.tail.map(\.sequence) == Array(1...9))
            #expect(loaded.tail.map { String(decoding: $0.payload[$0.delta], as: UTF8.self) } == (1...9).map { "d\($0)" })
            #expect(loaded.tail.allSatisfy { $0.response === loaded.session.references["resp_1"] })
            // Ends are relative to each other as they were.
            #expect(loaded.tail.last?.endOffset == loaded.tail.reduce(0) { $0 + $1.byteCount })
            #expect(loaded.session.unfinishedEvents["resp_1"]?.count == 9)
            #expect(loaded.session.generations.map(\.status) == [.inProgress, .failed(failure)])
            let restored = loaded.session.generations[0]
            #expect(restored.usage == generation("", .queued).usage)
            #expect(restored.output[0].chatMessage == ["role": "x"])
            #expect(restored.output[0].status == .incomplete)
            #expect(restored.route == generation("", .queued).route)
            let unfinished = try await again.unfinishedSessions()
            #expect(unfinished.map(\.id) == ["sess_1"])
            await again.close()
        }
    }

    @Test func aTailIsBoundedAndTheRestComesInPages() async throws {
        try await withDirectory { directory in
            let store = try open(directory)
            let session = store.makeKey()
            var changes = SessionChanges()
            changes.insert(record, key: session, ordinal: 1)
            for sequence in 1...100 { changes.append(event(sequence, response: nil, delta: "x"), session: session, response: 0) }
            #expect(await commit(changes, to: store) == nil)
            let loaded = try #require(try await load("sess_1", maxTailBytes: 1000, from: store))
            #expect(loaded.tail.last?.sequence == 100)
            #expect(loaded.tail.count < 10)
            #expect(loaded.oldestSequence == 1)
            var seen: [Int] = []
            while seen.last != 100 {
                let last = seen.last ?? 0
                let page = try await withCheckedContinuation { continuation in
                    store.events(ofSession: session, after: last, maxBytes: 2000, references: [:]) {
                        continuation.resume(returning: $0)
                    }
                }.get()
                #expect(page.count < 30)
                seen += page.map(\.sequence)
            }
            #expect(seen == Array(1...100))
            await store.close()
        }
    }

    @Test func aForeignOwnerFindsNothing() async throws {
        try await withDirectory { directory in
            let store = try open(directory)
            var changes = SessionChanges()
            changes.insert(record, key: store.makeKey(), ordinal: 1)
            #expect(await commit(changes, to: store) == nil)
            #expect(try await load("sess_1", owner: "bob", from: store) == nil)
            #expect(try await load("sess_1", owner: "ann", from: store) != nil)
            await store.close()
        }
    }

    @Test func aChangeThatCannotBeMadeCostsNobodyElseAnything() async throws {
        try await withDirectory { directory in
            let store = try open(directory)
            var good = SessionChanges()
            good.insert(record, key: store.makeKey(), ordinal: 1)
            var bad = SessionChanges()
            bad.insert(record, key: store.makeKey(), ordinal: 2)
            async let first = commit(good, to: store)
            async let second = commit(bad, to: store)
            let outcomes = await [first, second]
            #expect(outcomes.count { $0 == nil } == 1)
            #expect(try await load("sess_1", from: store) != nil)
            #expect(store.failure == nil)
            await store.close()
        }
    }

    @Test func aDeletedSessionLeavesNothing() async throws {
        try await withDirectory { directory in
            let store = try open(directory)
            let session = store.makeKey()
            var changes = SessionChanges()
            changes.insert(record, key: session, ordinal: 1)
            changes.append(event(1, response: nil, delta: "x"), session: session, response: 0)
            #expect(await commit(changes, to: store) == nil)
            var deletion = SessionChanges()
            deletion.delete(session: session)
            #expect(await commit(deletion, to: store) == nil)
            #expect(try await load("sess_1", from: store) == nil)
            await store.close()
        }
    }

    @Test func aDirectoryBelongsToOneProcessAtATime() async throws {
        try await withDirectory { directory in
            let store = try open(directory)
            #expect(throws: StorageError.inUse(path: directory)) { try open(directory) }
            await store.close()
            let again = try open(directory)
            await again.close()
        }
    }

    @Test func nothingIsTakenAfterTheEnd() async throws {
        try await withDirectory { directory in
            let store = try open(directory)
            await store.close()
            var changes = SessionChanges()
            changes.insert(record, key: 1, ordinal: 1)
            #expect(await commit(changes, to: store) == .closed)
        }
    }

    @Test func aFileThatIsNoDatabaseIsNamed() async throws {
        try await withDirectory { directory in
            try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
            try Data(repeating: 7, count: 8192).write(to: URL(fileURLWithPath: directory + "/interject.sqlite"))
            let error = #expect(throws: StorageError.self) { try open(directory) }
            guard case .unreadable(let path, _)? = error else {
                Issue.record("\(String(describing: error))")
                return
            }
            #expect(path.hasSuffix("interject.sqlite"))
        }
    }
}

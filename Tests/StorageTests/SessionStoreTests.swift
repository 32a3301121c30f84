import Foundation
import JSON
import Logging
import Testing

@testable import Sessions
@testable import Storage

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

    private func event(_ position: Int, of response: ResponseHeader? = nil, _ text: String) -> SessionEvent {
        EventWriter(after: position - 1, of: response).append(text)
    }

    private func generation(_ id: String, ordinal: Int = 1, _ status: Generation.Status) -> GenerationRecord {
        GenerationRecord(
            id: id, ordinal: ordinal, createdAt: 1, completedAt: 2, parameters: record.defaults, previousResponseID: "resp_0",
            policy: .continuing,
            input: [.userMessage("hi ☃")],
            output: [Item(id: "msg_2", status: .incomplete, body: ["type": "message"], chatMessage: ["role": "x"])], status: status,
            usage: Usage(inputTokens: 1, outputTokens: 2, cachedTokens: 3, reasoningTokens: 4, isEstimated: true), deltaCount: 5,
            conversationItemCount: 6, firstSequence: 1, eventCount: 8, continuesLastMessage: true,
            route: ResponseRoute(upstream: "u", attempts: 2, faults: [.init(upstream: "v", fault: "timeout")]))
    }

    /// Against a plain list, with changes of every kind in one commit and in several, and over a restart.
    @Test func itemsStayInTheirOrderWhateverHappensToThem() async throws {
        try await withDirectory { directory in
            var store = try open(directory)
            let session = store.makeKey()
            var changes = SessionChanges()
            changes.insert(record, key: session, ordinal: 1)
            var expected: [String] = []
            // The step in which an item was replaced last.
            var bodies: [String: Int] = [:]
            for step in 0..<60 {
                let items = (0..<step % 4).map { _ in Item.userMessage("hi") }
                changes.insert(items, session: session, position: expected.count, now: 1)
                expected += items.map(\.id)
                let between = (0..<step % 3).map { _ in Item.userMessage("between") }
                let index = step * 5 % (expected.count + 1)
                changes.insertBetween(between, session: session, position: index, now: 1)
                expected.insert(contentsOf: between.map(\.id), at: index)
                if !expected.isEmpty {
                    let place = step * 3 % expected.count
                    let replaced = Item(id: expected[place], body: ["type": "message", "step": JSONValue(step)])
                    changes.replace(replaced, session: session, position: place, now: 1)
                    bodies[replaced.id] = step
                }
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
            for item in loaded.session.items { #expect(item.body["step"]?.int == bodies[item.id]) }
            await store.close()
        }
    }

    @Test func aDeletedResponseIsGoneAndItsNumberIsNotGivenAgain() async throws {
        try await withDirectory { directory in
            let store = try open(directory)
            let session = store.makeKey()
            var changes = SessionChanges()
            changes.insert(record, key: session, ordinal: 1)
            changes.put(generation("resp_1", .completed), session: session, now: 5)
            changes.append(
                event(1, of: ResponseHeader("resp_1", sessionID: "sess_1", ordinal: 1), "d"), session: session)
            changes.delete(response: "resp_1")
            // What comes late does not bring it back.
            changes.put(generation("resp_1", .completed), session: session, now: 6)
            #expect(await commit(changes, to: store) == nil)
            await store.close()

            let again = try open(directory)
            let loaded = try #require(try await load("sess_1", from: again))
            #expect(loaded.session.generations.isEmpty)
            #expect(loaded.session.newestOrdinal == 1)
            // Its events stay in the log and say what they said.
            let event = try #require(loaded.tail.events(after: 0, upTo: .max).first)
            #expect(event.response?.id == "resp_1" && event.text == "d")
            let found = try await withCheckedContinuation { continuation in
                again.sessionID(ofResponse: "resp_1", owner: "ann") { continuation.resume(returning: $0) }
            }.get()
            #expect(found == nil)
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
            changes.put(generation("resp_1", .completed), session: session, now: 1_800_000_000)
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
            first.append(event(1, "a"), session: session)
            #expect(await commit(first, to: store) == nil)
            var twice = SessionChanges()
            twice.append(event(1, "b"), session: session)
            var next = SessionChanges()
            next.append(event(2, "c"), session: session)
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
            let session = store.makeKey()
            let failure = GenerationError(code: "c", message: "m", status: 429, type: "t", retryAfterSeconds: 1.5)
            var changes = SessionChanges()
            changes.insert(record, key: session, ordinal: 12)
            changes.insert([.userMessage("one"), .userMessage("two")], session: session, position: 0, now: 5)
            changes.put(generation("resp_1", ordinal: 1, .inProgress), session: session, now: 5)
            changes.put(generation("resp_2", ordinal: 2, .failed(failure)), session: session, now: 6)
            let writer = EventWriter(of: ResponseHeader("resp_1", sessionID: "sess_1", ordinal: 1))
            changes.append(writer.announce(), session: session)
            for position in 2...9 { changes.append(writer.append("d\(position)"), session: session) }
            #expect(await commit(changes, to: store) == nil)
            await store.close()

            let again = try open(directory)
            #expect(again.makeKey() > session)
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
            let events = loaded.tail.events(after: 0, upTo: .max)
            #expect(events.map(\.position) == Array(1...9))
            #expect(events.dropFirst().map(\.text) == (2...9).map { "d\($0)" })
            #expect(events.allSatisfy { $0.response === loaded.session.headers[1] && $0.item?.id == EventWriter.item.id })
            // Ends are relative to each other as they were.
            #expect(events.last?.endOffset == events.reduce(0) { $0 + $1.byteCount })
            #expect(loaded.session.newestOrdinal == 2)
            #expect(loaded.session.unfinishedEvents[1]?.map(\.position) == Array(1...9))
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
            let writer = EventWriter(of: nil)
            let text = String(repeating: "x", count: 2000)
            for _ in 1...100 { changes.append(writer.append(text), session: session) }
            #expect(await commit(changes, to: store) == nil)
            for maxTailBytes in [1000, 100_000] {
                let loaded = try #require(try await load("sess_1", maxTailBytes: maxTailBytes, from: store))
                let tail = loaded.tail.events(after: 0, upTo: .max)
                // A page at least, however large.
                #expect(loaded.tail.count == max(1, maxTailBytes / EventChunk.maxByteCount))
                #expect(tail.map(\.position) == Array((101 - tail.count)...100))
                #expect(tail.last?.endOffset == tail.reduce(0) { $0 + $1.byteCount })
                #expect(loaded.oldestSequence == 1)
            }
            var seen: [Int] = []
            while seen.last != 100 {
                let last = seen.last ?? 0
                let pages = try await withCheckedContinuation { continuation in
                    store.pages(ofSession: session, after: last, maxBytes: 2000) { continuation.resume(returning: $0) }
                }.get()
                #expect(pages.count == 1)
                seen += pages.events(after: last, upTo: .max).map(\.position)
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
            changes.append(event(1, "x"), session: session)
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

import Bytes
import Foundation
import JSON
import ResponsesWire
import Sessions
import Testing
import ToldSession

@testable import Storage

/// A session in which everything happened, committed and read again on each of the ways there are: every event is told byte for byte
/// as it was.
@Suite struct StoredEventsTests {
    /// Commits all that a session has told, in pieces of random size.
    private func store(_ log: ToldLog, key: Int, in store: Store, seed: UInt64) async {
        var random = SplitMix64(seed: seed)
        var changes = SessionChanges()
        for change in log.changes {
            switch change {
            case .created(let record): changes.insert(record, key: key, ordinal: 1)
            case .remembered(let items, let position): changes.insert(items, session: key, position: position, now: 1)
            case .itemsInserted(let items, let position):
                changes.insertBetween(items, session: key, position: position, now: 1)
            case .itemReplaced(let item, let position): changes.replace(item, session: key, position: position, now: 1)
            case .itemDeleted(let position): changes.deleteItem(session: key, position: position, now: 1)
            case .metadata(let metadata): changes.setMetadata(metadata, session: key, now: 1)
            case .response(let record): changes.put(record, session: key, now: 1)
            case .responseDeleted(let id): changes.delete(response: id)
            }
        }
        for event in log.appendedEvents {
            changes.append(event, session: key)
            guard Int.random(in: 0..<20, using: &random) == 0 else { continue }
            #expect(await ModelRun.commit(changes, to: store) == nil)
            changes = SessionChanges()
        }
        if !changes.isEmpty { #expect(await ModelRun.commit(changes, to: store) == nil) }
    }

    private func strings(_ events: [SessionEvent]) -> [String] {
        events.map { String(decoding: ResponsesEncoder.json($0), as: UTF8.self) }
    }

    @Test(arguments: 1...4 as ClosedRange<UInt64>) func everyEventComesBackByteForByte(_ seed: UInt64) async throws {
        let directory = ModelRun.newDirectory()
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let told = ToldSession()
        try told.tellEverything()
        let expected = strings(told.log.appendedEvents)
        var store = try ModelRun.open(directory)
        let key = store.makeKey()
        await self.store(told.log, key: key, in: store, seed: seed)

        // Beside a server, and after it.
        for isOpen in [true, false] {
            #expect(try exported(told.session.id, from: directory) == expected, "open: \(isOpen)")
            if isOpen { await store.close() }
        }
        store = try ModelRun.open(directory)
        let loaded = try await withCheckedThrowingContinuation { continuation in
            store.loadSession(told.session.id, owner: nil, maxTailBytes: 1 << 20) { continuation.resume(with: $0) }
        }
        let whole = try #require(loaded)
        let log = SessionLog(
            maxByteCount: .max, pages: whole.tail, lastPosition: whole.lastSequence,
            endOffset: whole.tail.reduce(0) { $0 + $1.capacity })
        #expect(whole.session.items == told.session.items)
        let session = try Session(restoring: whole.session, host: told, log: log, limits: SessionLimits())
        #expect(strings(whole.tail.events(after: 0, upTo: .max)) == expected)

        // As a reader gets them whose events memory does not hold.
        let pages = try await withCheckedThrowingContinuation { continuation in
            store.pages(ofSession: key, after: 0, maxBytes: .max) { continuation.resume(with: $0) }
        }
        let unknown = Set(pages.flatMap(\.responseOrdinals)).filter { session.header($0) == nil }
        #expect(unknown.count == 1, "the deleted one")
        let headers = try await withCheckedThrowingContinuation { continuation in
            store.headers(ofSession: key, unknown) { continuation.resume(with: $0) }
        }
        for page in pages { page.resolve { headers[$0] ?? session.header($0) } }
        #expect(strings(pages.events(after: 0, upTo: .max)) == expected)
        session.abandon()
        await store.close()
    }

    private func exported(_ id: String, from directory: String) throws -> [String] {
        var told: [String] = []
        var isJSON = true
        _ = try SessionArchive(directory: directory).forEachRecord(
            ofSession: id,
            encode: { event, output in
                let start = output.count
                ResponsesEncoder.append(event, to: &output)
                told.append(String(decoding: output.bytes[start...], as: UTF8.self))
            },
            { line in if (try? JSONValue.parse(line.bytes)) == nil { isJSON = false } })
        #expect(isJSON)
        return told
    }
}

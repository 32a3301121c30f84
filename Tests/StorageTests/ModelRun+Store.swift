import Bytes
import Foundation
import JSON
import Logging
import Sessions

@testable import Storage

/// The store's calls, for a test to await.
extension ModelRun {
    static func newDirectory() -> String {
        FileManager.default.temporaryDirectory.appendingPathComponent("interject-\(UUID())").path
    }

    static func open(_ directory: String) throws -> Store {
        try Store.open(
            directory: directory, durability: .process, maxTailByteCount: maxTailByteCount,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    static func commit(_ changes: SessionChanges, to store: Store) async -> StorageError? {
        await withCheckedContinuation { continuation in
            var changes = changes
            SessionOutbox(store) { continuation.resume(returning: $1) }.take(&changes)
        }
    }

    static func event(_ position: Int, _ text: String, ends: Bool = false) -> SessionEvent {
        EventWriter(after: position - 1).append(text, isEnd: ends)
    }

    private static func told(_ pages: [LogPage], after position: Int = 0) -> [Told] {
        pages.events(after: position, upTo: .max).map { event in
            let isWhole = event.responseSequence == event.position - 1 && event.outputIndex == EventWriter.item.index
            return Told(sequence: event.position, text: isWhole ? event.text : "broken")
        }
    }

    static func load(_ id: String, maxBytes: Int = 1 << 20, from store: Store) async throws
        -> (tail: [Told], last: Int, oldest: Int)?
    {
        let loaded = try await withCheckedThrowingContinuation { continuation in
            store.loadSession(id, owner: nil, maxTailBytes: maxBytes) { continuation.resume(with: $0) }
        }
        return loaded.map { (told($0.tail), $0.lastSequence, $0.oldestSequence) }
    }

    static func page(_ key: Int, after sequence: Int, maxBytes: Int, from store: Store) async throws -> [Told] {
        let pages = try await withCheckedThrowingContinuation { continuation in
            store.pages(ofSession: key, after: sequence, maxBytes: maxBytes) { continuation.resume(with: $0) }
        }
        return told(pages, after: sequence)
    }

    static func archived(_ id: String, in directory: String) throws -> [Told] {
        try told(SessionArchive(directory: directory), id)
    }

    static func told(_ archive: SessionArchive, _ id: String) throws -> [Told] {
        var told: [Told] = []
        let encode = { (event: SessionEvent, output: inout ByteBuffer) in
            output.appendJSONObject { $0.field("delta", event.text) }
        }
        _ = try archive.forEachRecord(ofSession: id, encode: encode) { line in
            guard let record = try? JSONValue.parse(line.bytes), record["record"]?.string == "event" else { return }
            told.append(Told(sequence: record["sequence"]?.int ?? 0, text: record["event"]?["delta"]?.string ?? ""))
        }
        return told
    }
}

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

    static func event(_ sequence: Int, _ text: String, ends: Bool = false) -> Sessions.LogEvent {
        let type = ends ? EventType.responseCompleted : .outputTextDelta
        let head = #"{"type":"\#(type.rawValue)","delta":""#
        return Sessions.LogEvent(
            sequence: sequence, type: type, response: nil, responseSequence: sequence - 2,
            payload: Array((head + text + "\"}").utf8),
            delta: head.utf8.count..<(head.utf8.count + text.utf8.count), outputIndex: 3, endOffset: 0)
    }

    private static func told(_ event: Sessions.LogEvent) -> Told {
        let isWhole = event.responseSequence == event.sequence - 2 && event.outputIndex == 3
        return Told(
            sequence: event.sequence, text: isWhole ? String(decoding: event.payload[event.delta], as: UTF8.self) : "broken")
    }

    static func load(_ id: String, maxBytes: Int = 1 << 20, from store: Store) async throws
        -> (tail: [Told], last: Int, oldest: Int)?
    {
        let loaded = try await withCheckedThrowingContinuation { continuation in
            store.loadSession(id, owner: nil, maxTailBytes: maxBytes) { continuation.resume(with: $0) }
        }
        return loaded.map { ($0.tail.map(told), $0.lastSequence, $0.oldestSequence) }
    }

    static func page(_ key: Int, after sequence: Int, maxBytes: Int, from store: Store) async throws -> [Told] {
        try await withCheckedThrowingContinuation { continuation in
            store.events(ofSession: key, after: sequence, maxBytes: maxBytes, references: [:]) { continuation.resume(with: $0) }
        }.map(told)
    }

    static func archived(_ id: String, in directory: String) throws -> [Told] {
        try told(SessionArchive(directory: directory), id)
    }

    static func told(_ archive: SessionArchive, _ id: String) throws -> [Told] {
        var told: [Told] = []
        _ = try archive.forEachRecord(ofSession: id) { line in
            guard let record = try? JSONValue.parse(line.bytes), record["record"]?.string == "event" else { return }
            told.append(Told(sequence: record["sequence"]?.int ?? 0, text: record["event"]?["delta"]?.string ?? ""))
        }
        return told
    }
}

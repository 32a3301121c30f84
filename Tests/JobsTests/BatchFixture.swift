import Foundation
import Jobs
import Logging
import Testing

/// A directory, a store and the engines that use them, one after another.
final class BatchFixture {
    let directory: String
    let store = MemoryJobStore()
    let events = EventRecorder()
    private(set) var library: FileLibrary
    let owner = "ann"

    init() async throws {
        directory = FileManager.default.temporaryDirectory.appendingPathComponent("interject-jobs-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        library = try await FileLibrary.open(directory: directory, store: store, logger: Self.logger)
    }

    deinit { try? FileManager.default.removeItem(atPath: directory) }

    static var logger: Logger {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        return logger
    }

    static var quickLimits: BatchLimits {
        var limits = BatchLimits()
        limits.firstRetryDelay = .milliseconds(1)
        limits.maxRetryDelay = .milliseconds(4)
        return limits
    }

    func engine(_ runner: ScriptedRunner, _ limits: BatchLimits = quickLimits) async throws -> BatchEngine {
        library = try await FileLibrary.open(directory: directory, store: store, logger: Self.logger)
        let engine = BatchEngine(
            store: store, library: library, runner: runner, sink: events, limits: limits, logger: Self.logger)
        try await engine.load()
        await engine.run()
        return engine
    }

    func put(_ text: String, purpose: String = "batch") async throws -> StoredFile {
        let upload = library.beginUpload(owner: owner)
        try upload.append(Array(text.utf8)) { _ in }
        return try await upload.commit(purpose: purpose, filename: "in.jsonl", expires: nil)
    }

    static func line(_ id: String, model: String = "m") -> String {
        "{\"custom_id\":\"\(id)\",\"method\":\"POST\",\"url\":\"/v1/responses\",\"body\":{\"model\":\"\(model)\",\"input\":\"x\"}}\n"
    }

    func create(_ engine: BatchEngine, _ text: String, window: String = "24h") async throws -> Batch {
        let file = try await put(text)
        return try await engine.create(
            owner: owner, inputFileID: file.id, endpoint: .responses, window: try CompletionWindow(window))
    }

    func create(_ engine: BatchEngine, count: Int, prefix: String = "l", window: String = "24h") async throws -> Batch {
        try await create(engine, (0..<count).map { Self.line("\(prefix)\($0)") }.joined(), window: window)
    }

    /// Waits for what must come, at most a minute.
    func wait(_ engine: BatchEngine, _ batch: Batch, until isSo: @Sendable (Batch) -> Bool = { $0.status.isTerminal }) async throws
        -> Batch
    {
        for _ in 0..<12_000 {
            let found = try await engine.batch(batch.id, owner: owner)
            if isSo(found) { return found }
            try await Task.sleep(for: .milliseconds(5))
        }
        Issue.record("the batch did not come to that state")
        return batch
    }

    /// What was told, once there is so much of it: an end is told after it can be read.
    func told(_ count: Int = 1) async throws -> [String] {
        for _ in 0..<12_000 where events.all.count < count { try await Task.sleep(for: .milliseconds(5)) }
        return events.all
    }

    func read(_ id: String?) throws -> [String] {
        guard let id else { return [] }
        let text = try String(contentsOfFile: directory + "/files/" + id, encoding: .utf8)
        return text.split(separator: "\n").map(String.init)
    }
}

import Glibc
import Jobs
import Logging
import Synchronization

/// What a store must do, in memory. Outlives engines, as a database does.
final class MemoryJobStore: FileStore, BatchStore {
    struct State {
        var files: [StoredFile] = []
        var batches: [Batch] = []
        var lines: [String: [BatchLineResult]] = [:]
        var unheard: Set<String> = []
        var isClosed = false
        /// Batches cannot be ended, as if the process had ended just before.
        var refusesEnds = false
        var refusedEndCount = 0
    }

    let state = Mutex(State())

    /// From now on nothing is kept, as if the process had ended.
    func close() { state.withLock { $0.isClosed = true } }
    func reopen() { state.withLock { $0.isClosed = false } }

    private func change<Result>(_ body: (inout sending State) -> sending Result) throws(JobError) -> Result {
        let outcome: Result? = state.withLock { $0.isClosed ? nil : body(&$0) }
        guard let outcome else { throw .storageUnavailable(reason: "closed") }
        return outcome
    }

    func insert(_ file: StoredFile) async throws(JobError) { try change { $0.files.append(file) } }

    func file(_ id: String, owner: String, now: Int) async throws(JobError) -> StoredFile? {
        state.withLock { $0.files.first { $0.id == id && $0.owner == owner && $0.expiresAt ?? .max > now } }
    }

    func files(_ query: FileQuery, now: Int) async throws(JobError) -> [StoredFile]? {
        state.withLock { $0.files.filter { $0.owner == query.owner } }
    }

    func deleteFile(_ id: String, owner: String) async throws(JobError) -> StoredFile? {
        try change { state in
            guard let index = state.files.firstIndex(where: { $0.id == id && $0.owner == owner }) else { return nil }
            return state.files.remove(at: index)
        }
    }

    func expiredFiles(now: Int, limit: Int) async throws(JobError) -> [StoredFile] {
        state.withLock { Array($0.files.filter { $0.expiresAt ?? .max <= now }.prefix(limit)) }
    }

    func fileIDs() async throws(JobError) -> Set<String> { state.withLock { Set($0.files.map(\.id)) } }

    func fileBytesByOwner() async throws(JobError) -> [String: Int] {
        state.withLock { $0.files.reduce(into: [:]) { $0[$1.owner, default: 0] += $1.byteCount } }
    }

    func insert(_ batch: Batch) async throws(JobError) { try change { $0.batches.append(batch) } }

    func batch(_ id: String, owner: String) async throws(JobError) -> Batch? {
        state.withLock { $0.batches.first { $0.id == id && $0.owner == owner } }
    }

    func batches(owner: String, after: String?, limit: Int) async throws(JobError) -> [Batch]? {
        state.withLock { Array($0.batches.filter { $0.owner == owner }.reversed().prefix(limit)) }
    }

    func unfinishedBatches() async throws(JobError) -> [Batch] { state.withLock { $0.batches.filter { !$0.status.isTerminal } } }

    func update(_ batch: Batch) async throws(JobError) {
        try change { state in
            guard let index = state.batches.firstIndex(where: { $0.id == batch.id }) else { return }
            let old = state.batches[index]
            if old.revision > batch.revision || old.status.isTerminal { return }
            state.batches[index] = batch
            state.batches[index].counts.completed = old.counts.completed
            state.batches[index].counts.failed = old.counts.failed
        }
    }

    func finish(_ lines: [BatchLineResult], of batchID: String) async throws(JobError) {
        try change { state in
            guard let index = state.batches.firstIndex(where: { $0.id == batchID }) else { return }
            for line in lines where !(state.lines[batchID] ?? []).contains(where: { $0.line == line.line }) {
                state.lines[batchID, default: []].append(line)
                if line.isFailed {
                    state.batches[index].counts.failed += 1
                } else {
                    state.batches[index].counts.completed += 1
                }
            }
        }
    }

    func finishedLines(of batchID: String) async throws(JobError) -> [Int] {
        state.withLock { $0.lines[batchID]?.map(\.line) ?? [] }
    }

    func lines(of batchID: String, failed: Bool, after line: Int, limit: Int) async throws(JobError) -> [BatchLineResult] {
        state.withLock { state in
            let lines = (state.lines[batchID] ?? []).filter { $0.isFailed == failed && $0.line > line }
            return Array(lines.sorted { $0.line < $1.line }.prefix(limit))
        }
    }

    func end(_ batch: Batch, files: [StoredFile]) async throws(JobError) {
        let isRefused = state.withLock { state in
            if state.refusesEnds { state.refusedEndCount += 1 }
            return state.refusesEnds
        }
        if isRefused { throw .storageUnavailable(reason: "closed") }
        try change { state in
            guard let index = state.batches.firstIndex(where: { $0.id == batch.id }) else { return }
            state.batches[index] = batch
            state.files += files
            state.lines[batch.id] = nil
            state.unheard.insert(batch.id)
        }
    }

    func unheardEnds() async throws(JobError) -> [Batch] {
        state.withLock { state in state.batches.filter { state.unheard.contains($0.id) } }
    }

    func setHeard(_ id: String) async throws(JobError) { try change { _ = $0.unheard.remove(id) } }
    func forgetBatches(endedBefore time: Int) async throws(JobError) {}
}

/// Answers as it is told, and notes what was asked.
final class ScriptedRunner: BatchRunner {
    typealias Script = @Sendable (_ customID: String, _ attempt: Int) async -> BatchAnswer?

    private struct Log {
        var attempts: [String: Int] = [:]
        var order: [String] = []
        var running = 0
        var mostRunning = 0
    }

    private let log = Mutex(Log())
    private let script: Script
    let interactive = Mutex(0)

    init(_ script: @escaping Script = { id, _ in ScriptedRunner.answer(id) }) { self.script = script }

    var attempts: [String: Int] { log.withLock { $0.attempts } }
    var order: [String] { log.withLock { $0.order } }
    var mostRunning: Int { log.withLock { $0.mostRunning } }
    var running: Int { log.withLock { $0.running } }

    func run(_ request: BatchRequest, owner: String, keyID: String?) async -> BatchAnswer? {
        let attempt = log.withLock { log in
            log.attempts[request.customID, default: 0] += 1
            log.order.append(request.customID)
            log.running += 1
            log.mostRunning = max(log.mostRunning, log.running)
            return log.attempts[request.customID] ?? 0
        }
        defer { log.withLock { $0.running -= 1 } }
        return await script(request.customID, attempt)
    }

    func interactiveCount() async -> Int { interactive.withLock { $0 } }

    static func answer(_ id: String, status: Int = 200, retryAfter: Double? = nil) -> BatchAnswer {
        BatchAnswer(
            status: status, requestID: "req_1", body: Array("{\"usage\":{\"prompt_tokens\":2,\"completion_tokens\":3}}".utf8),
            retryAfterSeconds: retryAfter)
    }

    /// Runs until it is cancelled.
    static func hang() async -> BatchAnswer? {
        try? await Task.sleep(for: .seconds(600))
        return nil
    }
}

/// Hears of ends.
final class EventRecorder: JobEventSink {
    private let events = Mutex<[String]>([])
    var all: [String] { events.withLock { $0 } }
    func emit(type: String, owner: String, objectID: String) { events.withLock { $0.append("\(type) \(owner) \(objectID)") } }
}

import Foundation
import GRDB
import JSON
import Logging
import Sessions
import Synchronization
import Testing
import ToldSession

@testable import Storage

/// A store beside a model of what it must hold, and random things that happen to both.
struct ModelRun {
    struct Told: Equatable {
        var sequence: Int
        var text: String
    }

    /// Small, so that the tail is full often.
    static let maxTailByteCount = 96 << 10

    private(set) var store: Store
    private var directory: String
    private var oldDirectories: [String] = []
    /// By key; what was acknowledged.
    private var logs: [Int: [Told]] = [:]
    private var random: SplitMix64
    private let seed: UInt64
    private var archive: SessionArchive

    init(seed: UInt64) throws {
        self.seed = seed
        random = SplitMix64(seed: seed)
        directory = Self.newDirectory()
        store = try Self.open(directory)
        archive = try SessionArchive(directory: directory)
    }

    func removeDirectories() {
        for directory in oldDirectories + [directory] { try? FileManager.default.removeItem(atPath: directory) }
    }

    // MARK: What happens

    mutating func step() async throws {
        switch Int.random(in: 0..<20, using: &random) {
        case 0: _ = try await makeSession()
        case 1: try await deleteSession()
        case 2: try await reopen()
        case 3: try await kill()
        case 4: try await check()
        case 5: try await failOnce()
        case 6: try await dropDeleted()
        default:
            if logs.isEmpty { _ = try await makeSession() }
            try await speakInSome()
        }
    }

    mutating func makeSession() async throws -> Int {
        let key = store.makeKey()
        var changes = SessionChanges()
        changes.insert(
            SessionRecord(
                id: "sess_\(key)", owner: "ann", createdAt: 1,
                defaults: ResponseParameters(model: "m", instructions: nil, members: [:], chatMembers: nil), mode: .interrupt,
                policy: .continuing, metadata: [:], forkedFrom: nil),
            key: key, ordinal: key)
        #expect(await Self.commit(changes, to: store) == nil)
        logs[key] = []
        return key
    }

    private mutating func deleteSession() async throws {
        guard let key = logs.keys.sorted().randomElement(using: &random) else { return }
        if Bool.random(using: &random) {
            #expect(try await store.deleteSessions(["sess_\(key)"]) == 1)
        } else {
            // With a last word in the same commit.
            var changes = SessionChanges()
            changes.append(Self.event((logs[key]?.count ?? 0) + 1, "last"), session: key)
            changes.delete(session: key)
            #expect(await Self.commit(changes, to: store) == nil)
        }
        logs[key] = nil
    }

    /// Not a row that all share holds an event of a session that is not there.
    private func dropDeleted() async throws {
        try await store.dropDeletedEvents()
        let sessions = try await store.read { db in
            var sessions: Set<Int> = []
            for image in try Data.fetchAll(db, sql: "SELECT payload FROM event_tail") {
                try image.withUnsafeBytes { try TailFrame.forEach(in: $0) { sessions.insert($0.session) } }
            }
            return sessions
        }
        #expect(sessions.isSubset(of: logs.keys), "seed \(seed)")
    }

    mutating func speak(session key: Int, count: Int) async throws {
        var changes = SessionChanges()
        speak(key, count, into: &changes)
        #expect(await Self.commit(changes, to: store) == nil)
    }

    private mutating func speak(_ key: Int, _ count: Int, into changes: inout SessionChanges) {
        for _ in 0..<count {
            let sequence = (logs[key]?.count ?? 0) + 1
            let length = Int.random(in: 0..<50, using: &random) == 0 ? 20_000 : Int.random(in: 0..<300, using: &random)
            let told = Told(sequence: sequence, text: String(repeating: "\(key).", count: length / 2))
            let ends = Int.random(in: 0..<40, using: &random) == 0
            changes.append(Self.event(sequence, told.text, ends: ends), session: key)
            logs[key, default: []].append(told)
        }
    }

    /// Several changes at once, so that some share a commit; one among them may be refused.
    private mutating func speakInSome() async throws {
        var all: [(changes: SessionChanges, isGood: Bool)] = []
        for _ in 0..<Int.random(in: 1...6, using: &random) {
            var changes = SessionChanges()
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                guard let key = logs.keys.sorted().randomElement(using: &random) else { return }
                speak(
                    key, Int.random(in: 1...(Int.random(in: 0..<10, using: &random) == 0 ? 400 : 12), using: &random),
                    into: &changes)
            }
            all.append((changes, true))
            if Int.random(in: 0..<10, using: &random) == 0, let key = logs.keys.sorted().randomElement(using: &random) {
                var bad = SessionChanges()
                bad.append(Self.event((logs[key]?.count ?? 0) + 2, "bad"), session: key)
                all.append((bad, false))
            }
        }
        let outcomes = await withTaskGroup { group in
            for (index, entry) in all.enumerated() {
                // In order: each is handed over before the next.
                let outcome = AsyncStream<StorageError?>.makeStream()
                var changes = entry.changes
                SessionOutbox(store) { outcome.continuation.yield($1) }.take(&changes)
                group.addTask {
                    for await error in outcome.stream { return (index, error == nil) }
                    return (index, false)
                }
            }
            return await group.reduce(into: [Int: Bool]()) { $0[$1.0] = $1.1 }
        }
        for (index, entry) in all.enumerated() { #expect(outcomes[index] == entry.isGood, "seed \(seed)") }
    }

    /// The disk is full for a moment, with changes before and after in the same commit.
    private mutating func failOnce() async throws {
        let attempts = Mutex(0)
        let store = store
        async let failed: Void = store.write { _ in
            let isFirst = attempts.withLock { attempts in
                attempts += 1
                return attempts == 1
            }
            if isFirst { throw DatabaseError(resultCode: .SQLITE_FULL) }
        }
        if !logs.isEmpty { try await speakInSome() }
        try await failed
    }

    private mutating func reopen() async throws {
        await store.close()
        store = try Self.open(directory)
        try await check()
    }

    /// Goes on from what stands on the disk at this time, as after kill -9.
    private mutating func kill() async throws {
        let copy = Self.newDirectory()
        try FileManager.default.createDirectory(atPath: copy, withIntermediateDirectories: true)
        for suffix in ["", "-wal"] {
            try FileManager.default.copyItem(
                atPath: directory + "/interject.sqlite" + suffix, toPath: copy + "/interject.sqlite" + suffix)
        }
        await store.close()
        oldDirectories.append(directory)
        directory = copy
        archive = try SessionArchive(directory: directory)
        // Before a server has cleaned up.
        try checkArchive()
        store = try Self.open(directory)
        try await check()
    }

    // MARK: What must be

    mutating func check() async throws {
        let tails = try await withCheckedThrowingContinuation { continuation in
            store.sessions(owner: "ann", before: nil, limit: 1000) { continuation.resume(with: $0) }
        }
        let lasts = Dictionary(uniqueKeysWithValues: tails.map { ($0.record.id, $0.lastPosition.sequence) })
        #expect(lasts.count == logs.count, "seed \(seed)")
        for (key, log) in logs {
            #expect(lasts["sess_\(key)"] == log.count, "seed \(seed)")
            let maxBytes = Int.random(in: 1...200_000, using: &random)
            let loaded = try #require(try await Self.load("sess_\(key)", maxBytes: maxBytes, from: store), "seed \(seed)")
            #expect(loaded.tail == Array(log.suffix(loaded.tail.count)), "seed \(seed)")
            #expect(loaded.tail.isEmpty == log.isEmpty && loaded.last == log.count && loaded.oldest == 1, "seed \(seed)")
            let place = Int.random(in: 0...log.count, using: &random)
            let page = try await Self.page(key, after: place, maxBytes: maxBytes, from: store)
            #expect(page == Array(log[place...].prefix(page.count)), "seed \(seed)")
            #expect(page.isEmpty == (place == log.count), "seed \(seed)")
        }
        try checkArchive()
    }

    private func checkArchive() throws {
        #expect(Set(try archive.sessionIDs(SessionFilter())) == Set(logs.keys.map { "sess_\($0)" }), "seed \(seed)")
        for (key, log) in logs { #expect(try Self.told(archive, "sess_\(key)") == log, "seed \(seed)") }
    }
}

import Bytes
import Foundation
import GRDB
import JSON
import Logging
import Testing

@testable import Sessions
@testable import Storage

/// Stores that end in all ways and are opened again, on real files: which of them begin an epoch, and what that does to logs.
@Suite final class StoreRunTests {
    private let root = FileManager.default.temporaryDirectory.appendingPathComponent("interject-\(UUID())").path
    private var directory: String { root + "/data" }
    private let files = FileManager.default

    init() throws { try files.createDirectory(atPath: root, withIntermediateDirectories: true) }
    deinit { try? FileManager.default.removeItem(atPath: root) }

    private static let now = 1_764_575_350

    private func open(boot: String = "boot", _ durability: Store.Durability = .process) throws -> Store {
        try Store.open(
            directory: directory, durability: durability,
            surroundings: StoreRun.Surroundings(boot: boot, now: { Self.now }),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    /// Ends a store as the death of its process does: nothing more is written, and the write-ahead log stays.
    private func kill(_ store: Store) async throws {
        // The last connection that can write empties the log; one that cannot, and goes after it, does not.
        var configuration = Configuration()
        configuration.readonly = true
        let other = try DatabaseQueue(path: store.path, configuration: configuration)
        _ = try await other.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM sessions") }
        await store.commits.close()
        store.files.stop()
        try store.pool.close()
        try other.close()
        store.lock.release()
        #expect(files.fileExists(atPath: store.path + "-wal"))
    }

    private func loss(boot: String = "boot", _ durability: Store.Durability = .process) async throws -> Loss? {
        let store = try open(boot: boot, durability)
        let loss = store.loss
        await store.close()
        return loss
    }

    // MARK: Ends

    @Test func anEndInOrderLosesNothingInAnyBoot() async throws {
        for boot in ["a", "a", "b"] { #expect(try await loss(boot: boot) == nil) }
    }

    @Test func theDeathOfTheProcessLosesNothing() async throws {
        try await kill(open())
        let store = try open()
        #expect(store.loss == nil && store.epoch == 0)
        try await kill(store)
        #expect(try await loss() == nil)
    }

    @Test func theDeathOfTheMachineLosesWhatOnlyItsKernelHad() async throws {
        try await kill(open(boot: "a"))
        let store = try open(boot: "b")
        #expect(store.loss == .machineStopped && store.epoch == 1)
        try await kill(store)
        // The one in between had all of it on the disk at its start.
        let again = try open(boot: "b")
        #expect(again.loss == nil && again.epoch == 1)
        try await kill(again)
        let third = try open(boot: "c")
        #expect(third.loss == .machineStopped && third.epoch == 2)
        await third.close()
    }

    @Test func theDeathOfTheMachineLosesNothingThatWaitedForTheDisk() async throws {
        try await kill(open(boot: "a", .full))
        #expect(try await loss(boot: "b", .process) == nil)
    }

    @Test func aJournalThatWasRemovedIsALoss() async throws {
        let store = try open()
        try await commit(1...1, to: store)
        try await kill(store)
        try files.removeItem(atPath: store.path + "-wal")
        #expect(try await loss() == .journalAnew)
    }

    @Test func theCommandForKeysTakesNoJournalAway() async throws {
        let store = try open()
        try await kill(store)
        _ = try APIKeyFile(directory: directory).all()
        #expect(try await loss() == nil)
    }

    // MARK: Copies

    @Test func aFolderThatIsMovedIsTheSame() async throws {
        #expect(try await loss() == nil)
        try files.moveItem(atPath: directory, toPath: root + "/away")
        try files.moveItem(atPath: root + "/away", toPath: directory)
        #expect(try await loss() == nil)
    }

    @Test func aFolderThatIsCopiedBackIsALossEachTime() async throws {
        #expect(try await loss() == nil)
        try files.copyItem(atPath: directory, toPath: root + "/backup")
        for _ in 0..<2 {
            #expect(try await loss() == nil)
            try files.removeItem(atPath: directory)
            try files.copyItem(atPath: root + "/backup", toPath: directory)
            let store = try open()
            #expect(store.loss == .restored && store.epoch == Self.now)
            await store.close()
        }
    }

    /// As `cp` does it: the files stay, what is in them does not.
    @Test func aFolderWhoseFilesAreOverwrittenIsALoss() async throws {
        #expect(try await loss() == nil)
        let backup = try ["interject.sqlite", "interject.identity"].map { name in
            (directory + "/" + name, try Data(contentsOf: URL(fileURLWithPath: directory + "/" + name)))
        }
        #expect(try await loss() == nil)
        for (path, bytes) in backup { try bytes.write(to: URL(fileURLWithPath: path), options: []) }
        #expect(try await loss() == .restored)
    }

    @Test func aDatabaseThatIsPutBackIsALoss() async throws {
        let store = try open()
        try store.pool.backup(to: DatabaseQueue(path: root + "/copy.sqlite"))
        await store.close()
        try files.removeItem(atPath: store.path)
        try files.copyItem(atPath: root + "/copy.sqlite", toPath: store.path)
        #expect(try await loss() == .restored)
        #expect(try await loss() == nil)
    }

    // MARK: Logs

    private let record = SessionRecord(
        id: "sess_1", owner: "ann", createdAt: 1, defaults: ResponseParameters(model: "m"), mode: .queue, policy: .continuing,
        metadata: [:], forkedFrom: nil)
    private let key = 1

    /// Commits events of the session, which is made with the first.
    private func commit(_ positions: ClosedRange<Int>, to store: Store) async throws {
        var changes = SessionChanges()
        if positions.lowerBound == 1 { changes.insert(record, key: key, ordinal: 1) }
        for position in positions {
            changes.append(EventWriter(after: position - 1, of: nil).append("\(position)"), session: key)
        }
        let error = await ModelRun.commit(changes, to: store)
        #expect(error == nil)
    }

    private func load(_ store: Store) async throws -> Store.LoadedSession {
        let loaded = try await withCheckedThrowingContinuation { continuation in
            store.loadSession("sess_1", owner: nil, maxTailBytes: 1 << 20) { continuation.resume(with: $0) }
        }
        return try #require(loaded)
    }

    private func positions(_ pages: [LogPage]) -> [String] {
        pages.events(after: 0, upTo: .max).map(\.logPosition.description)
    }

    @Test func theNextEventOfEachSessionBeginsTheEpoch() async throws {
        var store = try open(boot: "a")
        try await commit(1...3, to: store)
        try await kill(store)
        // In the second nothing is said: no client has a position in its epoch.
        for boot in ["b", "c"] {
            store = try open(boot: boot)
            #expect(store.loss == .machineStopped)
            #expect(try await load(store).epochs == LogEpochs([LogEpochs.Start(epoch: store.epoch, sequence: 4)]))
            if boot == "b" { try await kill(store) }
        }
        try await commit(4...5, to: store)
        #expect(try await positions(load(store).tail) == ["1", "2", "3", "2:4", "2:5"], "from the tail")
        try await kill(store)
        store = try open(boot: "d")
        try await commit(6...6, to: store)
        let all = ["1", "2", "3", "2:4", "2:5", "3:6"]
        #expect(try await positions(load(store).tail) == all)
        let pages = try await withCheckedThrowingContinuation { continuation in
            store.pages(ofSession: key, after: 0, maxBytes: .max) { continuation.resume(with: $0) }
        }
        #expect(positions(pages) == all)
        let listed = try await withCheckedThrowingContinuation { continuation in
            store.sessions(owner: "ann", before: nil, limit: 9) { continuation.resume(with: $0) }
        }
        #expect(listed.map(\.lastPosition) == [LogPosition(epoch: 3, sequence: 6)])
        #expect(try exported() == all)
        await store.close()
    }

    private func exported() throws -> [String] {
        var positions: [String] = []
        let archive = try SessionArchive(directory: directory)
        _ = try archive.forEachRecord(ofSession: "sess_1", encode: { $1.append("{}" as StaticString) }) { line in
            guard let json = try? JSONValue.parse(line.bytes), let sequence = json["sequence"]?.int else { return }
            positions.append(LogPosition(epoch: json["epoch"]?.int ?? 0, sequence: sequence).description)
        }
        return positions
    }

    @Test func aNewSessionIsOfTheFirstEpochWhateverWasLostBefore() async throws {
        try await kill(open(boot: "a"))
        let store = try open(boot: "b")
        #expect(store.epoch == 1)
        try await commit(1...2, to: store)
        #expect(try await positions(load(store).tail) == ["1", "2"])
        await store.close()
    }

    @Test func aDeletedSessionLeavesNoEpochs() async throws {
        var store = try open(boot: "a")
        try await commit(1...1, to: store)
        try await kill(store)
        store = try open(boot: "b")
        var changes = SessionChanges()
        changes.delete(session: key)
        #expect(await ModelRun.commit(changes, to: store) == nil)
        let count = try await store.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM session_epochs") }
        #expect(count == 0)
        await store.close()
    }
}

import Network
import Synchronization

@testable import Hosting

/// A store that commits and reads when the test says so. Safe from any thread, so that it passes for a real one.
final class CounterStore: Sendable {
    struct Row: Sendable, Equatable {
        var owner: String
        var value: Int
        var aliases: [String] = []
        /// Seconds since 1970.
        var usedAt = 0
        var isUnfinished = false
        var byteCount = 100
    }

    struct State: Sendable {
        var rows: [String: Row] = [:]
        /// Of each loop, the changes that were taken and are not committed, and its journal.
        var lanes: [Lane] = []
        /// Reads that were not answered.
        var loads: [(id: String, then: @Sendable (Result<Stored?, LoadFailure>) -> Void)] = []
        var loadCount = 0
        /// Whether reads are answered when they come.
        var answersLoads = true
        var failure: LoadFailure?
        /// Called within a deletion, before it is made.
        var duringDeletion: (@Sendable () -> Void)?
    }

    struct Lane: Sendable {
        var pending: [CounterChanges] = []
        let then: @Sendable (Int, CommitOutcome) -> Void
    }

    struct Stored: Sendable {
        let id: String
        let row: Row
    }

    private let state = Mutex(State())
    typealias Host = @Sendable (Stored, EventLoop) -> ObjectReference<Counter>
    /// Has a counter hosted on a loop.
    private let host = Mutex<Host?>(nil)
    func setHost(_ new: Host?) { host.withLock { $0 = new } }

    func change(_ body: (inout State) -> Void) { state.withLock { body(&$0) } }
    var rows: [String: Row] { state.withLock { $0.rows } }
    var loadCount: Int { state.withLock { $0.loadCount } }
    func put(_ row: Row, _ id: String) { state.withLock { $0.rows[id] = row } }

    // MARK: Writing

    func connect(_ then: @escaping @Sendable (Int, CommitOutcome) -> Void) -> Outbox {
        state.withLock { state in
            state.lanes.append(Lane(then: then))
            return Outbox(store: self, lane: state.lanes.count - 1)
        }
    }

    final class Outbox: JournalOutbox {
        private let store: CounterStore
        private let lane: Int

        init(store: CounterStore, lane: Int) {
            self.store = store
            self.lane = lane
        }

        func take(_ changes: inout CounterChanges) {
            let taken = changes
            store.change { $0.lanes[lane].pending.append(taken) }
            changes = CounterChanges()
        }
    }

    /// What each batch on its way holds, by the counters' identifiers.
    func pending(lane: Int = 0) -> [[String]] { state.withLock { $0.lanes[lane].pending.map { $0.list.map(\.id) } } }

    /// Ends the oldest batches of every lane. The loops hear of it when they turn.
    func end(_ count: Int? = nil, _ outcome: CommitOutcome = .committed) {
        let ended = state.withLock { state in
            state.lanes.indices.map { index -> (Int, @Sendable (Int, CommitOutcome) -> Void) in
                let batches = state.lanes[index].pending.prefix(count ?? .max)
                state.lanes[index].pending.removeFirst(batches.count)
                if outcome == .committed { for batch in batches { state.rows.apply(batch) } }
                return (batches.count, state.lanes[index].then)
            }
        }
        for (count, then) in ended where count > 0 { then(count, outcome) }
    }

    // MARK: Reading

    /// Answers the reads that wait.
    func answerLoads() {
        let loads = state.withLock { state in
            defer { state.loads = [] }
            return state.loads
        }
        for load in loads { load.then(read(load.id)) }
    }

    private func read(_ id: String) -> Result<Stored?, LoadFailure> {
        state.withLock { state in
            if let failure = state.failure { return .failure(failure) }
            return .success(state.rows[id].map { Stored(id: id, row: $0) })
        }
    }
}

extension [String: CounterStore.Row] {
    fileprivate mutating func apply(_ changes: CounterChanges) {
        for (id, change) in changes.list {
            switch change {
            case .value(let value, let owner, let aliases):
                self[id] = CounterStore.Row(owner: owner, value: value, aliases: aliases, usedAt: self[id]?.usedAt ?? 0)
            case .deleted: self[id] = nil
            }
        }
    }
}

extension CounterStore: ObjectSource {
    func load(_ id: String, then: @escaping @Sendable (Result<Stored?, LoadFailure>) -> Void) {
        let answersNow = state.withLock { state in
            state.loadCount += 1
            if !state.answersLoads { state.loads.append((id, then)) }
            return state.answersLoads
        }
        if answersNow { then(read(id)) }
    }

    func findID(ofAlias alias: String, owner: String, then: @escaping @Sendable (Result<String?, LoadFailure>) -> Void) {
        then(.success(rows.first { $0.value.owner == owner && $0.value.aliases.contains(alias) }?.key))
    }

    func restore(_ stored: Stored, on loop: EventLoop) throws(LoadFailure) -> ObjectReference<Counter>? {
        if stored.row.value < 0 { throw LoadFailure(reason: "negative") }
        return host.withLock { $0 }?(stored, loop)
    }

    func unfinished() async throws(LoadFailure) -> [(id: String, owner: String)] {
        rows.filter(\.value.isUnfinished).sorted { $0.key < $1.key }.map { ($0.key, $0.value.owner) }
    }
}

extension CounterStore: RetainingStore {
    func unused(since time: Int, limit: Int) async throws(LoadFailure) -> [String] {
        let old = rows.filter { $0.value.usedAt < time }.sorted { ($0.value.usedAt, $0.key) < ($1.value.usedAt, $1.key) }
        return old.prefix(limit).map(\.key)
    }

    func delete(_ ids: [String], unusedSince time: Int) async throws(LoadFailure) -> Int {
        state.withLock { $0.duringDeletion }?()
        return state.withLock { state in
            let deleted = ids.filter { (state.rows[$0]?.usedAt ?? .max) < time }
            for id in deleted { state.rows[id] = nil }
            return deleted.count
        }
    }

    func usedByteCount() async throws(LoadFailure) -> Int { rows.values.reduce(0) { $0 + $1.byteCount } }
    func finishDeleting() async throws(LoadFailure) {}
}

import CLinux
import Logging
import Synchronization

@testable import Hosting
@testable import Network

/// Counters on two loops that the test drives, with a store that the test has commit, under a clock that it moves. All happens on
/// the test's thread, in an order that depends on nothing else.
final class CounterHost {
    let store = CounterStore()
    let residency: Residency<Counter>
    let budget = MemoryBudget(limitBytes: 1 << 20, loopCount: 2)
    private let loops: [EventLoop]
    private let hosts: [Residents<Counter>]
    private let time: ManualTime
    private var newestOrdinal = 0
    private let forgotten = Forgotten()

    private final class Forgotten {
        var ids: [String] = []
    }

    /// Counters that were deleted, in their order.
    var forgottenIDs: [String] { forgotten.ids }

    final class ManualTime: Sendable {
        private let nanoseconds = Atomic<Int64>(3_600_000_000_000)
        var now: Instant { Instant(nanoseconds: nanoseconds.load(ordering: .relaxed)) }
        func advance(by duration: Duration) { nanoseconds.wrappingAdd(duration.nanoseconds, ordering: .relaxed) }
    }

    init(hasStore: Bool = true, maxByteCount: Int = 1 << 20) throws {
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let time = ManualTime()
        self.time = time
        let loops = try (0..<2).map { try EventLoop(index: $0, logger: logger) }
        self.loops = loops
        let residency = Residency<Counter>(policy: PlacementPolicy(loops: loops)) { time.now }
        self.residency = residency
        hosts = loops.map { [store, budget, forgotten] loop in
            loop.occupied {
                Residents(
                    loop: loop, residency: residency,
                    journal: hasStore ? Journal(loop: loop, now: { time.now }, connect: { store.connect($0) }) : nil,
                    memory: LoopMemory(loop: loop, budget: budget),
                    limits: Residents.Limits(maxByteCount: maxByteCount, residency: .seconds(300), retention: .seconds(3600)),
                    onForget: { forgotten.ids.append($0.id) }, now: { time.now })
            }
        }
        let bound = zip(hosts, loops).map { host, loop in loop.occupied { LoopBound(host, on: loop) } }
        store.setHost { stored, loop in
            let residents = bound[loop.index].value
            let counter = Counter(id: stored.id, owner: stored.row.owner, value: stored.row.value, journal: residents.journal)
            counter.aliases = stored.row.aliases
            return residents.insert(counter, ordinal: 0, lifetime: .stored)
        }
    }

    deinit {
        store.setHost(nil)
        // As every loop ends: timers and what they call would hold each other.
        for loop in loops {
            loop.stop()
            loop.run()
        }
    }

    // MARK: Turning

    func turn() {
        for _ in 0..<4 { for loop in loops { loop.turnOnce() } }
    }

    /// Runs `body` on a loop, and lets the loops do what follows from it.
    @discardableResult
    func on<Result>(_ index: Int = 0, _ body: (Residents<Counter>) throws -> Result) rethrows -> Result {
        let result = try loops[index].occupied { try body(hosts[index]) }
        turn()
        return result
    }

    func advance(by duration: Duration) { time.advance(by: duration) }

    /// Has the store end the oldest batches, and the loops hear of it.
    func end(_ count: Int? = nil, _ outcome: CommitOutcome = .committed) {
        store.end(count, outcome)
        turn()
    }

    // MARK: Counters

    @discardableResult
    func make(
        _ id: String, owner: String = "ann", on index: Int = 0, lifetime: Lifetime = .stored, byteCount: Int = 100, value: Int = 1
    ) -> Counter {
        newestOrdinal += 1
        return on(index) { residents in
            let counter = Counter(id: id, owner: owner, journal: lifetime == .stored ? residents.journal : nil)
            counter.byteCount = byteCount
            counter.onLoss = { [weak residents, weak counter] in counter.map { residents?.abandon($0) } }
            _ = residents.insert(counter, ordinal: newestOrdinal, lifetime: lifetime)
            counter.add(value)
            return counter
        }
    }

    func sweep() { for index in hosts.indices { on(index) { $0.sweep() } } }
    func isResident(_ id: String) -> Bool { hosts.contains { $0[id] != nil } }
    func count(on index: Int) -> Int { hosts[index].count }
    func byteCount(on index: Int = 0) -> Int { hosts[index].byteCount }

    typealias Found = Result<ObjectReference<Counter>?, LoadFailure>

    /// Begins to look a counter up; the result is there when the store has answered.
    func find(_ id: String, owner: String = "ann", from index: Int = 0) -> FoundBox {
        let box = FoundBox()
        on(index) { _ in residency.find(id, owner: owner, from: loops[index], in: store) { box.results.append($0) } }
        return box
    }

    func find(alias: String, owner: String = "ann", from index: Int = 0) -> FoundBox {
        let box = FoundBox()
        on(index) { _ in residency.find(alias: alias, owner: owner, from: loops[index], in: store) { box.results.append($0) } }
        return box
    }

    final class FoundBox {
        var results: [Found] = []

        /// nil: no answer yet, or more than one.
        var isAnswered: Bool { results.count == 1 }
        var reference: ObjectReference<Counter>? { (try? results.first?.get()) ?? nil }
        var isFailure: Bool {
            guard case .failure? = results.first else { return false }
            return true
        }
    }

    func counter(_ reference: ObjectReference<Counter>) -> Counter { reference.loop.occupied { reference.bound.value } }
}

extension EventLoop {
    /// Runs `body` as this loop, on the calling thread.
    fileprivate func occupied<Result>(_ body: () throws -> Result) rethrows -> Result {
        clinux_set_current_loop(Unmanaged.passUnretained(self).toOpaque())
        defer { clinux_set_current_loop(nil) }
        return try body()
    }
}

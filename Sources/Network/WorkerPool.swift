import Dispatch
import Synchronization

/// A few threads for what would hold an event loop: reading a large body, judging a large answer. A loop must not compute for longer
/// than some milliseconds, since everybody else on it waits meanwhile.
///
/// Owners take turns, so that one who sends much delays itself. What waits is bounded in number, and by a deadline.
public final class WorkerPool: Sendable {
    /// The pool of this process: processors are shared by all of it.
    public static let shared = WorkerPool(threadCount: min(4, max(1, EventLoopGroup.processorCount / 2)))

    /// Pieces of work that wait, of all owners and of one beside others.
    static let maxWaiting = 512
    static let maxWaitingPerOwner = 64
    /// How long one waits before it is given up.
    static let deadline = Duration.seconds(10)

    private struct Work {
        let deadline: Instant
        /// - Parameter isLate: the deadline has passed, and nothing is to be done but to tell so.
        let run: @Sendable (_ isLate: Bool) -> Void
    }

    private struct State {
        var waiting: [String: [Work]] = [:]
        /// Owners that have something waiting, the next one first.
        var rotation: [String] = []
        var waitingCount = 0
        var runningCount = 0

        mutating func add(_ work: Work, for owner: String) -> Bool {
            // Alone, an owner keeps nobody waiting; half of the room remains for those who come.
            let isAlone = waiting.isEmpty || waiting.count == 1 && waiting[owner] != nil
            let most = isAlone ? WorkerPool.maxWaiting / 2 : WorkerPool.maxWaitingPerOwner
            guard waitingCount < WorkerPool.maxWaiting, waiting[owner]?.count ?? 0 < most else { return false }
            if waiting[owner] == nil { rotation.append(owner) }
            waiting[owner, default: []].append(work)
            waitingCount += 1
            return true
        }

        mutating func next() -> Work? {
            guard !rotation.isEmpty else { return nil }
            let owner = rotation.removeFirst()
            guard var own = waiting.removeValue(forKey: owner), !own.isEmpty else { return nil }
            let work = own.removeFirst()
            waitingCount -= 1
            if !own.isEmpty {
                waiting[owner] = own
                rotation.append(owner)
            }
            return work
        }
    }

    private let threadCount: Int
    private let queue = DispatchQueue(label: "interject.workers", attributes: .concurrent)
    private let state = Mutex(State())

    init(threadCount: Int) { self.threadCount = threadCount }

    /// Works off the loop, and comes back to it.
    /// - Parameters:
    ///   - owner: whose share it counts for.
    ///   - then: called on the loop in a later iteration, whatever happens; with nil when there was no room or no time.
    public func run<Value: Sendable>(
        for owner: String, on loop: EventLoop, _ work: @escaping @Sendable () -> Value, then: @escaping (Value?) -> Void
    ) {
        let bound = LoopBound(then, on: loop)
        let isTaken = take(for: owner) { isLate in
            let value = isLate ? nil : work()
            loop.execute { bound.value(value) }
        }
        if !isTaken { loop.schedule(after: .zero) { then(nil) } }
    }

    /// As ``run(for:on:_:then:)`` for what must be done whatever it costs: without room or time for it, the loop does it itself.
    public func runAnyway<Value: Sendable>(
        for owner: String, on loop: EventLoop, _ work: @escaping @Sendable () -> Value, then: @escaping (Value) -> Void
    ) {
        run(for: owner, on: loop, work) { then($0 ?? work()) }
    }

    /// As ``run(for:on:_:then:)`` for a task.
    public func run<Value: Sendable>(for owner: String, _ work: @escaping @Sendable () -> Value) async -> Value? {
        await withCheckedContinuation { continuation in
            let isTaken = take(for: owner) { isLate in continuation.resume(returning: isLate ? nil : work()) }
            if !isTaken { continuation.resume(returning: nil) }
        }
    }

    /// Lets go of a value on a thread of the pool: to release many small parts takes long. The caller gives up its own reference at once.
    public func release(_ value: some Sendable) { queue.async { withExtendedLifetime(value) {} } }

    private func take(for owner: String, _ run: @escaping @Sendable (Bool) -> Void) -> Bool {
        let work = Work(deadline: Instant.monotonicNow + Self.deadline, run: run)
        let (isTaken, starts) = state.withLock { state in
            guard state.add(work, for: owner) else { return (false, false) }
            let starts = state.runningCount < threadCount
            if starts { state.runningCount += 1 }
            return (true, starts)
        }
        if starts { queue.async { self.workOff() } }
        return isTaken
    }

    private func workOff() {
        while let work = state.withLock({ state in
            let work = state.next()
            if work == nil { state.runningCount -= 1 }
            return work
        }) {
            work.run(Instant.monotonicNow > work.deadline)
        }
    }
}

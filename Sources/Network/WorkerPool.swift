import Dispatch
import Synchronization

/// Threads for work that would block an event loop, such as parsing a large body or validating a large answer. A loop must not
/// compute for more than a few milliseconds, because all its other connections wait.
///
/// Owners are served round-robin, so that a heavy user delays only itself. The queue has a length limit and a deadline.
public final class WorkerPool: Sendable {
    /// The process-wide pool.
    public static let shared = WorkerPool(threadCount: min(4, max(1, EventLoopGroup.processorCount / 2)))

    /// Most queued items, of all owners and of one owner beside others.
    static let maxWaiting = 512
    static let maxWaitingPerOwner = 64
    /// Longest time in the queue.
    static let deadline = Duration.seconds(10)

    private struct Work {
        let deadline: Instant
        /// - Parameter isLate: the deadline has passed: only report that.
        let run: @Sendable (_ isLate: Bool) -> Void
    }

    private struct State {
        var waiting: [String: [Work]] = [:]
        /// Owners with queued work, next one first.
        var rotation: [String] = []
        var waitingCount = 0
        /// Threads that do nothing, by index.
        var idle: [Int]

        mutating func add(_ work: Work, for owner: String) -> Bool {
            // A lone owner delays no other, but half of the queue stays free for others.
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

    /// Serial, and so with a thread each: a concurrent queue would share its threads with Swift's cooperative pool, and wait for what
    /// runs there.
    private let threads: [DispatchQueue]
    private let releases = DispatchQueue(label: "interject.releases")
    private let state: Mutex<State>

    init(threadCount: Int) {
        threads = (0..<threadCount).map { DispatchQueue(label: "interject.workers.\($0)") }
        state = Mutex(State(idle: Array(0..<threadCount)))
    }

    /// Runs work off the loop, and returns to it.
    /// - Parameters:
    ///   - owner: the owner that it counts for.
    ///   - then: always called, on the loop in a later iteration; with nil if the queue was full or the deadline passed.
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

    /// Like ``run(for:on:_:then:)`` for mandatory work: if the queue is full or the deadline passes, it runs on the loop.
    public func runAnyway<Value: Sendable>(
        for owner: String, on loop: EventLoop, _ work: @escaping @Sendable () -> Value, then: @escaping (Value) -> Void
    ) {
        run(for: owner, on: loop, work) { then($0 ?? work()) }
    }

    /// ``run(for:on:_:then:)`` for tasks.
    public func run<Value: Sendable>(for owner: String, _ work: @escaping @Sendable () -> Value) async -> Value? {
        await withCheckedContinuation { continuation in
            let isTaken = take(for: owner) { isLate in continuation.resume(returning: isLate ? nil : work()) }
            if !isTaken { continuation.resume(returning: nil) }
        }
    }

    /// Releases a value on another thread, because freeing many small parts takes long. The caller must drop its own
    /// reference at once.
    public func release(_ value: some Sendable) { releases.async { withExtendedLifetime(value) {} } }

    private func take(for owner: String, _ run: @escaping @Sendable (Bool) -> Void) -> Bool {
        let work = Work(deadline: Instant.monotonicNow + Self.deadline, run: run)
        let (isTaken, thread) = state.withLock { state in
            state.add(work, for: owner) ? (true, state.idle.popLast()) : (false, nil)
        }
        if let thread { threads[thread].async { self.workOff(on: thread) } }
        return isTaken
    }

    private func workOff(on thread: Int) {
        while let work = state.withLock({ state in
            let work = state.next()
            if work == nil { state.idle.append(thread) }
            return work
        }) {
            work.run(Instant.monotonicNow > work.deadline)
        }
    }
}

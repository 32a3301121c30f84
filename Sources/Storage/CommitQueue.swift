import Bytes
import Dispatch
import GRDB
import Glibc
import Logging
import Synchronization

/// Something to be written.
protocol Change: Sendable {
    /// Bytes of what was applied, near enough.
    var byteCount: Int { get }
    /// How many there are in one.
    var count: Int { get }
    /// Whatever it gathers from now on is for a later commit: what was submitted after others is never committed before them. Called
    /// under the queue's lock.
    func seal()
    /// Makes the change. May be called again after the transaction was rolled back.
    func apply(to db: Database) throws
    /// It is committed, or was refused.
    func finish(_ error: StorageError?)
}

/// Changes on their way to the disk: what has come while one transaction was committed goes into the next one together.
final class CommitQueue: Sendable {
    private struct State {
        var pending: [any Change] = []
        var isRunning = false
        var isClosed = false
        var failure: StorageError?
        var statistics = Store.Statistics()
        var whenIdle: [@Sendable () -> Void] = []
        var pacing = CommitPacing()
        /// Since when what is under way now is: it waits to be taken, or is being committed.
        var busySince: UInt64 = 0
    }

    private let state = Mutex(State())
    private let pool: DatabasePool
    private let checkpointer: Checkpointer
    private let tail: EventTail
    private let files: FileWatch
    /// Whose thread commits; nil: whoever calls ``commitNow()``.
    private let queue: DispatchQueue?
    private let logger: Logger

    /// How long a commit that failed waits before it is tried again.
    private static let retryDelays: [UInt32] = [50_000, 100_000, 250_000, 500_000, 1_000_000]
    /// Attempts after which a store that is to be closed gives up: what nobody was told of is gone then.
    private static let lastAttempt = 3

    /// - Parameter hasThread: whether it commits by itself; without, nothing is committed but by ``commitNow()``, for tests in which
    ///   it matters what came before a commit and what after.
    init(
        _ pool: DatabasePool, _ checkpointer: Checkpointer, _ tail: EventTail, _ files: FileWatch, hasThread: Bool, logger: Logger
    ) {
        queue = hasThread ? DispatchQueue(label: "interject.store.commits") : nil
        self.files = files
        self.pool = pool
        self.checkpointer = checkpointer
        self.tail = tail
        self.logger = logger
    }

    var failure: StorageError? { state.withLock { $0.failure } }
    /// Whether a commit is not done within a second: the disk hangs, or does not say yet that it is full.
    var isLate: Bool {
        let now = DispatchTime.now().uptimeNanoseconds
        return state.withLock { $0.isRunning && now - $0.busySince > 1_000_000_000 }
    }
    var statistics: Store.Statistics { state.withLock { $0.statistics } }

    /// Takes a change in. Changes are made in the order in which they came.
    /// - Parameter byteCount: bytes that it holds in memory until it is written.
    func submit(_ change: any Change, byteCount: Int) {
        let (isClosed, mustStart) = state.withLock { state in
            if state.isClosed { return (true, false) }
            state.pending.append(change)
            state.statistics.pendingBytes += byteCount
            let mustStart = !state.isRunning
            state.isRunning = true
            if mustStart { state.busySince = DispatchTime.now().uptimeNanoseconds }
            return (false, mustStart)
        }
        if isClosed {
            change.finish(.closed)
        } else if mustStart {
            queue?.async { self.run() }
        }
    }

    /// A change that waits holds so many bytes more.
    func grew(by byteCount: Int) { state.withLock { $0.statistics.pendingBytes += byteCount } }

    /// Commits what was submitted until now, on the calling thread. Only for a queue without a thread of its own.
    func commitNow() {
        while commitNext() {}
    }

    func close() async {
        if queue == nil { commitNow() }
        await withCheckedContinuation { continuation in
            let isIdle = state.withLock { state in
                state.isClosed = true
                if state.isRunning { state.whenIdle.append { continuation.resume() } }
                return !state.isRunning
            }
            if isIdle { continuation.resume() }
        }
        await checkpointer.close()
    }

    /// Commits until nothing comes any more for as long as a commit waits for company. To go on within one thread is cheaper than to
    /// start it for each commit, which is what a busy server would do that has nothing to commit for a moment.
    private func run() {
        repeat { waitForCompany() } while commitNext()
    }

    /// - Returns: false if there was nothing to commit.
    private func commitNext() -> Bool {
        guard let batch = take() else { return false }
        let began = DispatchTime.now().uptimeNanoseconds
        let outcomes = commit(batch)
        let ended = DispatchTime.now().uptimeNanoseconds
        let changes = batch.reduce(0) { $0 + $1.count }
        state.withLock { state in
            state.pacing.committed(changes: changes, began: began, ended: ended)
            state.statistics.commits += 1
            state.statistics.changes += changes
            // number-safe: doubles
            state.statistics.commitSeconds += Double(ended - began) / 1e9
            state.statistics.pendingBytes -= batch.reduce(0) { $0 + $1.byteCount }
        }
        for (index, change) in batch.enumerated() { change.finish(outcomes[index]) }
        return true
    }

    private func waitForCompany() {
        let now = DispatchTime.now().uptimeNanoseconds
        let wait = state.withLock { $0.isClosed ? 0 : $0.pacing.nanoseconds(from: now) }
        if wait > 0 { usleep(UInt32(clamping: wait / 1000)) }
    }

    private func take() -> [any Change]? {
        let (batch, whenIdle) = state.withLock { state -> ([any Change]?, [@Sendable () -> Void]) in
            if state.pending.isEmpty {
                state.isRunning = false
                let whenIdle = state.whenIdle
                state.whenIdle = []
                return (nil, whenIdle)
            }
            let batch = state.pending
            state.pending = []
            for change in batch { change.seal() }
            state.busySince = DispatchTime.now().uptimeNanoseconds
            return (batch, [])
        }
        for action in whenIdle { action() }
        return batch
    }

    /// Commits all of them together.
    /// - Returns: what was not made, by index.
    private func commit(_ batch: [any Change]) -> [Int: StorageError] {
        guard let error = insist(on: batch[...]) else { return [:] }
        guard case .refused = error, batch.count > 1 else {
            // number-safe: indices
            return Dictionary(uniqueKeysWithValues: batch.indices.map { ($0, error) })
        }
        // One of them cannot be made: each by itself, so that it costs nobody else anything.
        var failed: [Int: StorageError] = [:]
        for index in batch.indices { failed[index] = insist(on: batch[index...index]) }
        return failed
    }

    /// Commits changes; when the disk fails, again until it works or the store is closed.
    /// - Returns: why they were not made.
    private func insist(on changes: ArraySlice<any Change>) -> StorageError? {
        var attempt = 0
        while true {
            do {
                try transact(changes)
                recovered()
                return nil
            } catch {
                let error = StorageError(error)
                if case .refused = error { return error }
                failed(error, attempt)
                if attempt >= Self.lastAttempt, state.withLock({ $0.isClosed }) { return .closed }
                usleep(Self.retryDelays[min(attempt, Self.retryDelays.count - 1)])
                attempt += 1
            }
        }
    }

    private func transact(_ changes: ArraySlice<any Change>) throws {
        do {
            try files.check()
            try pool.writeWithoutTransaction { db in
                try db.inCachedTransaction {
                    for change in changes { try change.apply(to: db) }
                    try tail.write(to: db)
                }
            }
        } catch {
            tail.rolledBack()
            throw error
        }
        tail.committed()
    }

    private func failed(_ error: StorageError, _ attempt: Int) {
        state.withLock { state in
            state.failure = error
            state.statistics.failures += 1
        }
        if attempt == 0 { logger.error("the store cannot be written; trying again", metadata: ["error": "\(error)"]) }
    }

    private func recovered() {
        let hadFailed = state.withLock { state in
            defer { state.failure = nil }
            return state.failure != nil
        }
        if hadFailed { logger.notice("the store can be written again") }
    }
}

import Bytes
import Dispatch
import GRDB
import Glibc
import Logging
import Synchronization

/// A change to be committed.
protocol Change: Sendable {
    /// Approximate size of the changes applied, in bytes.
    var byteCount: Int { get }
    /// Number of changes that this one combines.
    var count: Int { get }
    /// Closes the change: whatever is added from now on goes into a later commit, so that nothing overtakes a change submitted
    /// before it. Called under the queue's lock.
    func seal()
    /// Applies the change. May be called again after a rollback.
    func apply(to db: Database) throws
    /// The change was committed, or refused with an error.
    func finish(_ error: StorageError?)
}

/// Changes on their way to the disk. Changes that arrive during one transaction are committed together in the next.
final class CommitQueue: Sendable {
    private struct State {
        var pending: [any Change] = []
        var isRunning = false
        var isClosed = false
        var failure: StorageError?
        var statistics = Store.Statistics()
        var whenIdle: [@Sendable () -> Void] = []
        var pacing = CommitPacing()
        /// When the current batch began to wait, or its commit to run.
        var busySince: UInt64 = 0
    }

    private let state = Mutex(State())
    private let pool: DatabasePool
    private let checkpointer: Checkpointer
    private let tail: EventTail
    private let files: FileWatch
    /// The queue that commits; nil if only ``commitNow()`` does.
    private let queue: DispatchQueue?
    private let logger: Logger

    /// Microseconds before a failed commit is retried, by attempt.
    private static let retryDelays: [UInt32] = [50_000, 100_000, 250_000, 500_000, 1_000_000]
    /// Attempts after which a store that is closing gives up; the changes then lost were never acknowledged.
    private static let lastAttempt = 3

    /// - Parameter hasThread: whether the queue commits by itself; false leaves it to ``commitNow()``, for tests that depend on
    ///   what precedes a commit and what follows.
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
    /// Whether a commit has taken more than a second: the disk hangs, or does not yet report that it is full.
    var isLate: Bool {
        let now = DispatchTime.now().uptimeNanoseconds
        return state.withLock { $0.isRunning && now - $0.busySince > 1_000_000_000 }
    }
    var statistics: Store.Statistics { state.withLock { $0.statistics } }

    /// Submits a change. Changes are applied in the order of submission.
    /// - Parameter byteCount: memory that the change occupies until it is written, in bytes.
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

    /// A waiting change has grown by this many bytes.
    func grew(by byteCount: Int) { state.withLock { $0.statistics.pendingBytes += byteCount } }

    /// Commits all submitted changes on the calling thread. Only for a queue without a thread of its own.
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

    /// Commits until no change arrives for one commit interval. Staying on one thread is cheaper than dispatching a block for each
    /// commit, as a busy server would that has nothing to commit for a moment.
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

    /// Commits the batch in one transaction.
    /// - Returns: the errors of refused changes, by index.
    private func commit(_ batch: [any Change]) -> [Int: StorageError] {
        guard let error = insist(on: batch[...]) else { return [:] }
        guard case .refused = error, batch.count > 1 else {
            // number-safe: indices
            return Dictionary(uniqueKeysWithValues: batch.indices.map { ($0, error) })
        }
        // One change was refused: each is committed by itself, so that the others succeed.
        var failed: [Int: StorageError] = [:]
        for index in batch.indices { failed[index] = insist(on: batch[index...index]) }
        return failed
    }

    /// Commits changes; if the disk fails, retries until it works or the store is closed.
    /// - Returns: the reason if they were refused or abandoned.
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

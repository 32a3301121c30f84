import DequeModule
import Logging
import Network
import Sessions
import Storage

/// What happens in the sessions of one loop on its way to the store: the changes of each turn leave together. Loop-confined.
final class SessionJournal {
    private let loop: EventLoop
    private let store: Store
    private lazy var outbox = makeOutbox()
    private var gathering = SessionChanges()
    /// The logs that the changes belong to.
    private var logs: [DurableLog] = []
    private var isFlushScheduled = false
    /// What was handed to the store and is not on the disk yet, in its order.
    private var underWay = Deque<(logs: [(log: DurableLog, sequence: Int)], byteCount: Int, since: Instant)>()
    private var underWayByteCount = 0
    private var handedOver = 0
    private var committed = 0
    private var waiters: [Int: [() -> Void]] = [:]
    /// Whether so much is on its way that more should not be made: from the bound on until half of it is on the disk.
    private(set) var isCongested = false
    /// The logs whose sessions were told to wait.
    var awaitingRelief: [DurableLog] = []

    /// How long the disk may take until those who wait for it are told.
    private static let stallDuration = Duration.seconds(20)

    /// Bytes on their way to the disk above which upstreams have to wait.
    private static let maxByteCount = 16 << 20

    init(loop: EventLoop, store: Store) {
        self.loop = loop
        self.store = store
    }

    var unixTime: Int { loop.unixTime }
    func makeKey() -> Int { store.makeKey() }

    /// The commit that the changes of this turn will be part of.
    var gatheringTicket: Int { handedOver + 1 }

    /// Whether nothing is on its way.
    var isSettled: Bool { gathering.isEmpty && underWay.isEmpty }

    /// Whether the disk has taken nothing for long.
    var isStalled: Bool { underWay.first.map { loop.now - $0.since >= Self.stallDuration } ?? false }

    func isCommitted(_ ticket: Int) -> Bool { ticket <= committed }

    /// Runs the action when a commit is on the disk: at once, if it is.
    func whenCommitted(_ ticket: Int, _ action: @escaping () -> Void) {
        if ticket <= committed { action() } else { waiters[ticket, default: []].append(action) }
    }

    /// Runs the action when everything that has happened until now is on the disk.
    func whenSettled(_ action: @escaping () -> Void) {
        whenCommitted(gathering.isEmpty ? handedOver : gatheringTicket, action)
    }

    func list(_ log: DurableLog) { logs.append(log) }

    func gather(_ change: (inout SessionChanges) -> Void) {
        change(&gathering)
        if underWayByteCount + gathering.byteCount > Self.maxByteCount { isCongested = true }
        guard !isFlushScheduled else { return }
        isFlushScheduled = true
        let bound = LoopBound(self, on: loop)
        loop.execute { bound.value.flush() }
    }

    private func flush() {
        isFlushScheduled = false
        handedOver += 1
        underWay.append((logs.map { ($0, $0.lastPosition) }, gathering.byteCount, loop.now))
        underWayByteCount += gathering.byteCount
        logs.removeAll(keepingCapacity: true)
        outbox.take(&gathering)
    }

    private func makeOutbox() -> SessionOutbox {
        let bound = LoopBound(WeakJournal(journal: self), on: loop)
        return SessionOutbox(store) { count, error in bound.run { $0.journal?.wereCommitted(count, error) } }
    }

    private func wereCommitted(_ count: Int, _ error: StorageError?) {
        // Nobody is told any more of what was not kept when the store was closed.
        if error == .closed { return }
        for _ in 0..<count { wasCommitted(error) }
        if isCongested, underWayByteCount + gathering.byteCount <= Self.maxByteCount / 2 { relieveAll() }
    }

    private func wasCommitted(_ error: StorageError?) {
        guard let batch = underWay.popFirst() else { return }
        underWayByteCount -= batch.byteCount
        committed += 1
        if let error {
            // A fault of ours, for the disk's are waited out. Nobody is told that it is kept; who asks again gets what is.
            loop.logger.critical("changes of sessions were refused by the store", metadata: ["error": "\(error)"])
            waiters[committed] = nil
            for (log, _) in batch.logs { lose(log) }
        }
        for (log, sequence) in batch.logs { commit(log, upTo: sequence) }
        for action in waiters.removeValue(forKey: committed) ?? [] { action() }
    }

    private func relieveAll() {
        isCongested = false
        let logs = awaitingRelief
        awaitingRelief = []
        for log in logs { relieve(log) }
    }

    /// Reads old events of a session.
    func fetch(session: Int, after position: Int, maxBytes: Int, then: @escaping ([LogPage]) -> Void) {
        let answer = LoopBound(then, on: loop)
        let logger = loop.logger
        store.pages(ofSession: session, after: position, maxBytes: maxBytes) { result in
            let pages = Self.value(of: result, logger) ?? []
            answer.run { $0(pages) }
        }
    }

    /// Reads what events of a session refer to.
    func fetch(headersOf session: Int, _ ordinals: Set<Int>, then: @escaping ([Int: ResponseHeader]) -> Void) {
        let answer = LoopBound(then, on: loop)
        let logger = loop.logger
        store.headers(ofSession: session, ordinals) { result in
            let headers = Self.value(of: result, logger) ?? [:]
            answer.run { $0(headers) }
        }
    }

    private static func value<Value>(of result: Result<Value, StorageError>, _ logger: Logger) -> Value? {
        switch result {
        case .success(let value): return value
        case .failure(let error):
            logger.error("events of a session could not be read", metadata: ["error": "\(error)"])
            return nil
        }
    }
}

/// What the outbox holds of the journal that holds it.
private struct WeakJournal {
    weak var journal: SessionJournal?
}

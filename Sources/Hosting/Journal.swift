import DequeModule
import Logging
public import Network

/// The group commit of one loop: what happens to its objects during an iteration leaves for the store together, and each object is
/// told when its changes are committed. Loop-confined.
///
/// A change is *committed* when the store has it. A committed change may be shown, acknowledged and dropped from memory; no other
/// change may.
public final class Journal<Changes: JournalChanges> {
    /// Connects a journal with its store.
    ///
    /// `then` is called on any thread, in the order of the commits: so many of the changes that were taken are committed or
    /// refused.
    public typealias Connect = (
        _ then: @escaping @Sendable (_ count: Int, CommitOutcome) -> Void
    ) -> any JournalOutbox<Changes>

    private let loop: EventLoop
    private let connect: Connect
    private lazy var outbox = makeOutbox()
    private let now: () -> Instant
    @usableFromInline var gathering = Changes()
    /// The objects that the changes belong to.
    @usableFromInline var writers: [any Journaled] = []
    @usableFromInline var isFlushScheduled = false
    /// Changes that the store took and has not committed, in their order.
    private var underWay = Deque<Batch>()
    @usableFromInline private(set) var underWayByteCount = 0
    /// Batches that the store took, and those of them that are committed.
    @usableFromInline private(set) var handedOverCount = 0
    private var committedCount = 0
    private var waiters: [Int: [() -> Void]] = [:]
    /// Whether so much is under way that objects should not grow: from ``JournalLimits/maxByteCount`` on, until half of it is
    /// committed.
    public var isCongested = false
    /// The objects that wait for it to have room.
    private var awaitingRelief: [any Journaled] = []

    private struct Batch {
        let writers: [(writer: any Journaled, position: Int)]
        let byteCount: Int
        let since: Instant
    }

    /// - Parameter now: the clock; nil: the loop's. A test has one of its own.
    public init(loop: EventLoop, now: (() -> Instant)? = nil, connect: @escaping Connect) {
        self.loop = loop
        self.now = now ?? { loop.now }
        self.connect = connect
    }

    // MARK: Writing

    /// The commit that the changes of this iteration will be part of.
    @inlinable var gatheringTicket: Int { handedOverCount + 1 }

    /// Takes a change of an object into the commit of this iteration. Token path: no allocation but what the changes need.
    @inlinable @inline(__always)
    public func write<Writer: Journaled>(for writer: Writer, _ change: (inout Changes) -> Void) {
        if writer.journalEntry.isClosed { return }
        if writer.journalEntry.ticket != gatheringTicket {
            writer.journalEntry.ticket = gatheringTicket
            writers.append(writer)
        }
        change(&gathering)
        if underWayByteCount + gathering.byteCount > JournalLimits.maxByteCount { isCongested = true }
        if !isFlushScheduled { scheduleFlush() }
    }

    /// Ignores what the object writes from now on: its deletion was the last change.
    public func close(_ writer: some Journaled) { writer.journalEntry.isClosed = true }

    @usableFromInline func scheduleFlush() {
        isFlushScheduled = true
        let bound = LoopBound(self, on: loop)
        loop.execute { bound.value.flush() }
    }

    private func flush() {
        isFlushScheduled = false
        handedOverCount += 1
        underWay.append(
            Batch(writers: writers.map { ($0, $0.lastPosition) }, byteCount: gathering.byteCount, since: now()))
        underWayByteCount += gathering.byteCount
        writers.removeAll(keepingCapacity: true)
        outbox.take(&gathering)
    }

    private func makeOutbox() -> any JournalOutbox<Changes> {
        let bound = LoopBound(WeakJournal(journal: self), on: loop)
        return connect { count, outcome in bound.run { $0.journal?.ended(count, outcome) } }
    }

    // MARK: Committed

    /// Whether everything that was written until now is committed.
    public var isCommitted: Bool { gathering.isEmpty && underWay.isEmpty }

    /// Whether everything that an object has written until now is committed.
    public func isCommitted(_ writer: some Journaled) -> Bool { writer.journalEntry.ticket <= committedCount }

    /// Runs the action when everything that an object has written until now is committed: at once, if it is. Never, if the store
    /// refuses it or is closed.
    public func whenCommitted(_ writer: some Journaled, _ action: @escaping () -> Void) {
        whenCommitted(writer.journalEntry.ticket, action)
    }

    /// Runs the action when everything that was written until now is committed: at once, if it is.
    public func whenCommitted(_ action: @escaping () -> Void) {
        whenCommitted(gathering.isEmpty ? handedOverCount : gatheringTicket, action)
    }

    private func whenCommitted(_ ticket: Int, _ action: @escaping () -> Void) {
        if ticket <= committedCount { action() } else { waiters[ticket, default: []].append(action) }
    }

    private func ended(_ count: Int, _ outcome: CommitOutcome) {
        // The store is closed: nobody is told any more of what it did not take.
        if outcome == .closed { return }
        for _ in 0..<count { endOldest(outcome) }
        if isCongested, underWayByteCount + gathering.byteCount <= JournalLimits.maxByteCount / 2 { relieveAll() }
    }

    private func endOldest(_ outcome: CommitOutcome) {
        guard let batch = underWay.popFirst() else { return }
        underWayByteCount -= batch.byteCount
        committedCount += 1
        if case .refused(let reason) = outcome {
            // A fault of the server's: the store waits until the disk's are over. Nothing of it is told as committed.
            loop.logger.critical("changes were refused by the store", metadata: ["error": "\(reason)"])
            waiters[committedCount] = nil
            for (writer, _) in batch.writers { lose(writer) }
            return
        }
        for (writer, position) in batch.writers { writer.committed(upTo: position) }
        for action in waiters.removeValue(forKey: committedCount) ?? [] { action() }
    }

    private func lose(_ writer: any Journaled) {
        if writer.journalEntry.isClosed { return }
        writer.journalEntry.isClosed = true
        writer.lost()
    }

    // MARK: A slow store

    /// Whether the store has committed nothing for long.
    public var isStalled: Bool { underWay.first.map { now() - $0.since >= JournalLimits.stallDuration } ?? false }

    /// Tells an object when the journal has room again: see ``isCongested``.
    public func relieveLater(_ writer: some Journaled) {
        if writer.journalEntry.awaitsRelief { return }
        writer.journalEntry.awaitsRelief = true
        awaitingRelief.append(writer)
    }

    private func relieveAll() {
        isCongested = false
        let writers = awaitingRelief
        awaitingRelief = []
        for writer in writers {
            writer.journalEntry.awaitsRelief = false
            writer.relieved()
        }
    }
}

/// The bounds of every ``Journal``.
public enum JournalLimits {
    /// Bytes on their way to the disk above which objects should not grow. Not stored: the token path compares with it.
    @inlinable public static var maxByteCount: Int { 16 << 20 }
    /// How long a commit may take before the objects that wait for it announce a stall.
    public static let stallDuration = Duration.seconds(20)
}

/// What the outbox holds of the journal that holds it.
private struct WeakJournal<Changes: JournalChanges> {
    weak var journal: Journal<Changes>?
}

public import Network

/// The group commit of one loop: the changes to its objects during an iteration leave for the store together, and each object is
/// notified when its changes are committed. Loop-confined.
///
/// A change is *committed* when the store has it. A committed change may be shown, acknowledged and dropped from memory; no other
/// change may.
public final class Journal<Changes: JournalChanges> {
    /// Connects a journal with its store.
    ///
    /// `then` is called on any thread, in commit order: the next `count` changes are committed or refused.
    public typealias Connect = (
        _ then: @escaping @Sendable (_ count: Int, CommitOutcome) -> Void
    ) -> any JournalOutbox<Changes>

    private let loop: EventLoop
    private let connect: Connect
    private lazy var outbox = makeOutbox()
    @usableFromInline let ledger: CommitLedger
    @usableFromInline var gathering = Changes()
    @usableFromInline var isFlushScheduled = false

    /// - Parameter now: the clock; nil for the loop's. Tests provide their own.
    public init(loop: EventLoop, now: (() -> Instant)? = nil, connect: @escaping Connect) {
        self.loop = loop
        self.connect = connect
        ledger = CommitLedger(loop: loop, now: now ?? { loop.now })
    }

    // MARK: Writing

    /// Takes a change of an object into the commit of this iteration. Token path: no allocation but what the changes need.
    @inlinable @inline(__always)
    public func write<Writer: Journaled>(for writer: Writer, _ change: (inout Changes) -> Void) {
        if writer.journalEntry.isClosed { return }
        if writer.journalEntry.ticket != ledger.gatheringTicket {
            writer.journalEntry.ticket = ledger.gatheringTicket
            ledger.writers.append(writer)
        }
        change(&gathering)
        ledger.gathered(gathering.byteCount)
        if !isFlushScheduled { scheduleFlush() }
    }

    /// Ignores further changes of the object: its deletion was the last.
    public func close(_ writer: some Journaled) { writer.journalEntry.isClosed = true }

    @usableFromInline func scheduleFlush() {
        isFlushScheduled = true
        // Once an iteration: the metadata of a generic `LoopBound` would be looked up each time.
        let bound = LoopBound<any JournalFlushing>(self, on: loop)
        loop.execute { bound.value.flush() }
    }

    private func makeOutbox() -> any JournalOutbox<Changes> {
        let bound = LoopBound(ledger, on: loop)
        return connect { count, outcome in bound.run { $0.ended(count, outcome) } }
    }

    // MARK: Commits

    /// Whether everything that was written until now is committed.
    public var isCommitted: Bool { gathering.isEmpty && ledger.isCommitted }

    /// Whether everything that an object has written until now is committed.
    public func isCommitted(_ writer: some Journaled) -> Bool { ledger.isCommitted(writer.journalEntry.ticket) }

    /// Runs the action once everything that an object has written so far is committed; at once, if it already is. Never, if the
    /// store refuses it or is closed.
    public func whenCommitted(_ writer: some Journaled, _ action: @escaping () -> Void) {
        ledger.whenCommitted(writer.journalEntry.ticket, action)
    }

    /// Runs the action once everything written so far is committed; at once, if it already is.
    public func whenCommitted(_ action: @escaping () -> Void) {
        ledger.whenCommitted(gathering.isEmpty ? ledger.handedOverCount : ledger.gatheringTicket, action)
    }

    // MARK: A slow store

    /// Whether so much is under way that objects should not grow: from ``JournalLimits/maxByteCount`` on, until half of it is
    /// committed.
    public var isCongested: Bool {
        get { ledger.isCongested }
        set { ledger.isCongested = newValue }
    }

    /// Whether the store has committed nothing for long.
    public var isStalled: Bool { ledger.isStalled }

    /// Tells an object when the journal has room again: see ``isCongested``.
    public func relieveLater(_ writer: some Journaled) { ledger.relieveLater(writer) }
}

/// A journal of any kind of changes, at the end of an iteration.
private protocol JournalFlushing: AnyObject {
    func flush()
}

extension Journal: JournalFlushing {
    fileprivate func flush() {
        isFlushScheduled = false
        ledger.handOver()
        outbox.take(&gathering)
    }
}

/// The bounds of every ``Journal``.
public enum JournalLimits {
    /// Uncommitted bytes from which on objects should not grow. Not stored: the token path compares with it.
    @inlinable public static var maxByteCount: Int { 16 << 20 }
    /// How long a commit may take before the objects that wait for it announce a stall.
    public static let stallDuration = Duration.seconds(20)
}

import DequeModule
import Logging
import Network

/// What a journal has handed over to its store, and the objects that are told what became of it. Loop-confined.
///
/// The part of a ``Journal`` that does not depend on its kind of changes: it runs for each session of each commit, and generic code
/// of another module is not specialized.
@usableFromInline
final class CommitLedger {
    private let loop: EventLoop
    private let now: () -> Instant
    /// The objects with changes of this iteration.
    @usableFromInline var writers: [any Journaled] = []
    /// The objects of all batches under way, in their order, and how far each had come.
    private var handedOver = Deque<(writer: any Journaled, position: Int)>()
    /// Changes that the store took and has not committed, in their order.
    private var underWay = Deque<Batch>()
    @usableFromInline private(set) var underWayByteCount = 0
    /// Bytes of the changes of this iteration.
    @usableFromInline var gatheringByteCount = 0
    /// Batches that the store took, and those of them that are committed.
    @usableFromInline private(set) var handedOverCount = 0
    private var committedCount = 0
    private var waiters: [Int: [() -> Void]] = [:]
    /// See ``Journal/isCongested``.
    @usableFromInline var isCongested = false
    /// The objects that wait for it to have room.
    private var awaitingRelief: [any Journaled] = []

    private struct Batch {
        let writerCount: Int
        let byteCount: Int
        let since: Instant
    }

    init(loop: EventLoop, now: @escaping () -> Instant) {
        self.loop = loop
        self.now = now
    }

    /// The commit that the changes of this iteration will be part of.
    @inlinable var gatheringTicket: Int { handedOverCount + 1 }

    /// The changes of this iteration have so many bytes.
    @inlinable @inline(__always)
    func gathered(_ byteCount: Int) {
        gatheringByteCount = byteCount
        if underWayByteCount + byteCount > JournalLimits.maxByteCount { isCongested = true }
    }

    /// The changes of this iteration leave for the store.
    func handOver() {
        handedOverCount += 1
        for writer in writers { handedOver.append((writer, writer.lastPosition)) }
        underWay.append(Batch(writerCount: writers.count, byteCount: gatheringByteCount, since: now()))
        underWayByteCount += gatheringByteCount
        gatheringByteCount = 0
        writers.removeAll(keepingCapacity: true)
    }

    // MARK: Committed

    /// Whether everything that was handed over is committed.
    var isCommitted: Bool { underWay.isEmpty }

    func isCommitted(_ ticket: Int) -> Bool { ticket <= committedCount }

    /// Runs the action when a batch is committed: at once, if it is.
    func whenCommitted(_ ticket: Int, _ action: @escaping () -> Void) {
        if ticket <= committedCount { action() } else { waiters[ticket, default: []].append(action) }
    }

    /// The oldest batches have come to their end.
    func ended(_ count: Int, _ outcome: CommitOutcome) {
        // The store is closed: batches that it did not take are no longer reported.
        if outcome == .closed { return }
        for _ in 0..<count { endOldest(outcome) }
        if isCongested, underWayByteCount + gatheringByteCount <= JournalLimits.maxByteCount / 2 { relieveAll() }
    }

    private func endOldest(_ outcome: CommitOutcome) {
        guard let batch = underWay.popFirst() else { return }
        underWayByteCount -= batch.byteCount
        committedCount += 1
        if case .refused(let reason) = outcome {
            // A fault of the server's: the store waits until the disk's are over. Nothing of it is told as committed.
            loop.logger.critical("changes were refused by the store", metadata: ["error": "\(reason)"])
            waiters[committedCount] = nil
            for _ in 0..<batch.writerCount { if let (writer, _) = handedOver.popFirst() { lose(writer) } }
            return
        }
        for _ in 0..<batch.writerCount {
            if let (writer, position) = handedOver.popFirst() { writer.committed(upTo: position) }
        }
        if waiters.isEmpty { return }
        for action in waiters.removeValue(forKey: committedCount) ?? [] { action() }
    }

    private func lose(_ writer: any Journaled) {
        if writer.journalEntry.isClosed { return }
        writer.journalEntry.isClosed = true
        writer.lost()
    }

    // MARK: A slow store

    var isStalled: Bool { underWay.first.map { now() - $0.since >= JournalLimits.stallDuration } ?? false }

    func relieveLater(_ writer: any Journaled) {
        if writer.journalEntry.awaitsRelief { return }
        writer.journalEntry.awaitsRelief = true
        awaitingRelief.append(writer)
    }

    /// The journal has room again.
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

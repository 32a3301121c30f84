import Hosting
package import Sessions
import Storage

/// A session's log with the newest events in memory and all of them in the store. Loop-confined.
///
/// Uncommitted events never leave memory. The journal bounds their size by pausing upstreams when the disk falls behind.
package final class DurableLog: SessionLog, Journaled {
    /// Row key of the session in the store.
    package let key: Int
    private let ordinal: Int
    private let storage: SessionStorage
    private let journal: Journal<SessionChanges>
    private var committed: Int
    /// Whether the store has refused a change of this log.
    private var isLost = false
    private let storedFrom: Int
    /// Finds the response that an event refers to; nil if the session no longer knows it.
    let header: (_ ordinal: Int) -> ResponseHeader?
    /// Called once, when the store has refused a change: memory no longer matches the store, and must be dropped.
    private var onLoss: (() -> Void)?
    var journalEntry = JournalEntry()

    /// Size of the pages that a reader gets from the disk at a time, in bytes.
    private static let fetchByteCount = 64 * 1024

    /// An empty log of a new session.
    /// - Parameters:
    ///   - header: finds the response that an event refers to; nil if the session no longer knows it.
    ///   - onLoss: called once, when the store has refused a change.
    init(
        storage: SessionStorage, key: Int, ordinal: Int, maxBytes: Int, header: @escaping (_ ordinal: Int) -> ResponseHeader?,
        onLoss: @escaping () -> Void
    ) {
        self.storage = storage
        journal = storage.journal
        self.key = key
        self.ordinal = ordinal
        self.header = header
        self.onLoss = onLoss
        committed = 0
        storedFrom = 1
        super.init(maxByteCount: maxBytes)
    }

    /// The log of a loaded session. The parameters are as for a new one.
    init(
        storage: SessionStorage, restoring loaded: Store.LoadedSession, maxBytes: Int,
        header: @escaping (_ ordinal: Int) -> ResponseHeader?, onLoss: @escaping () -> Void
    ) {
        self.storage = storage
        journal = storage.journal
        key = loaded.key
        ordinal = loaded.ordinal
        self.header = header
        self.onLoss = onLoss
        committed = loaded.lastSequence
        storedFrom = loaded.oldestSequence
        super.init(
            maxByteCount: maxBytes, pages: loaded.tail, lastPosition: loaded.lastSequence,
            endOffset: loaded.tail.reduce(0) { $0 + $1.capacity }, epochs: loaded.epochs)
    }

    package override var committedPosition: Int { committed }
    package override var oldestStoredPosition: Int { storedFrom }

    /// Registers for the end of the congestion that it reports.
    package override var isCongested: Bool {
        guard journal.isCongested else { return false }
        journal.relieveLater(self)
        return true
    }

    package override func mayDrop(_ page: LogPage) -> Bool { page.lastPosition <= committed }

    /// Whether the whole log is committed.
    var isCommitted: Bool { journal.isCommitted(self) }

    package override func appended(_ event: SessionEvent) {
        journal.write(for: self) { $0.append(event, session: key) }
    }

    package override func store(_ change: SessionChange) {
        let now = storage.unixTime
        switch change {
        case .created(let record): journal.write(for: self) { $0.insert(record, key: key, ordinal: ordinal) }
        case .remembered(let items, let position):
            journal.write(for: self) { $0.insert(items, session: key, position: position, now: now) }
        case .response(let record): journal.write(for: self) { $0.put(record, session: key, now: now) }
        case .itemsInserted(let items, let position):
            journal.write(for: self) { $0.insertBetween(items, session: key, position: position, now: now) }
        case .itemReplaced(let item, let position):
            journal.write(for: self) { $0.replace(item, session: key, position: position, now: now) }
        case .itemDeleted(let position):
            journal.write(for: self) { $0.deleteItem(session: key, position: position, now: now) }
        case .metadata(let metadata):
            journal.write(for: self) { $0.setMetadata(metadata, session: key, now: now) }
        case .responseDeleted(let id): journal.write(for: self) { $0.delete(response: id) }
        }
    }

    /// Deletes the session from the store.
    func delete() {
        onCommit = nil
        onLoss = nil
        journal.write(for: self) { $0.delete(session: key) }
        journal.close(self)
    }

    package override func fetch(after position: Int, then: @escaping ([LogPage]) -> Void) {
        storage.fetch(session: key, after: position, maxBytes: Self.fetchByteCount) { [weak self] pages in
            guard let self else { return then([]) }
            var unknown: Set<Int> = []
            for page in pages { unknown.formUnion(page.responseOrdinals.filter { self.header($0) == nil }) }
            if unknown.isEmpty {
                for page in pages { page.resolve { self.header($0) } }
                return then(pages)
            }
            // Responses that were deleted, or that the session has dropped because it had too many.
            self.storage.fetch(headersOf: self.key, unknown) { [weak self] headers in
                for page in pages { page.resolve { headers[$0] ?? self?.header($0) } }
                then(pages)
            }
        }
    }

    /// Never runs the action once changes of this log were lost: later batches do not contain what it waited for.
    package override func whenCommitted(_ action: @escaping () -> Void) {
        journal.whenCommitted(self) { [self] in if !isLost { action() } }
    }

    // MARK: For the journal

    func committed(upTo position: Int) {
        let previous = committed
        guard position > previous else { return }
        committed = position
        onCommit?(previous)
    }

    func lost() {
        isLost = true
        onCommit = nil
        onLoss?()
        onLoss = nil
    }

    /// The session may have been paused although none of its own events were waiting.
    func relieved() { onCommit?(committed) }
}

import DequeModule
import Sessions
import Storage

/// A session's log that is kept in the store: its newest events in memory, all of them on the disk. Loop-confined.
///
/// Events that are not safe yet are never dropped from memory: what is on its way to the disk is bounded by the journal, which
/// has upstreams wait when the disk falls behind.
final class DurableLog: LogStorage {
    let key: Int
    private let ordinal: Int
    private let journal: SessionJournal
    private let maxBytes: Int
    private var events = Deque<LogEvent>()
    private(set) var byteCount = 0
    private(set) var lastSequence = 0
    private(set) var committedSequence = 0
    private(set) var oldestStoredSequence = 1
    var onCommit: ((_ previous: Int) -> Void)?
    /// Called when the store has refused something: what is in memory is no longer what is kept, and must be let go.
    var onLoss: (() -> Void)?
    fileprivate var isLost = false
    /// The commit that the newest change is part of.
    fileprivate(set) var ticket = 0
    /// The commit that the log was last listed for.
    fileprivate var listedTicket = 0
    /// Whether it waits for the journal to be less full.
    fileprivate var awaitsRelief = false
    private var responseKeys: [String: Int] = [:]
    private var references: [Int: ResponseReference] = [:]
    private var latest: (reference: ResponseReference, key: Int)?

    /// Bytes of events that a reader gets from the disk at once.
    private static let pageByteCount = 128 * 1024

    /// An empty log of a new session.
    init(journal: SessionJournal, key: Int, ordinal: Int, maxBytes: Int) {
        self.journal = journal
        self.key = key
        self.ordinal = ordinal
        self.maxBytes = maxBytes
    }

    /// The log of a session that was loaded.
    init(journal: SessionJournal, restoring loaded: Store.LoadedSession, maxBytes: Int) {
        self.journal = journal
        self.maxBytes = maxBytes
        key = loaded.key
        ordinal = loaded.ordinal
        events = Deque(loaded.tail)
        byteCount = events.reduce(0) { $0 + $1.byteCount }
        lastSequence = loaded.lastSequence
        committedSequence = loaded.lastSequence
        oldestStoredSequence = loaded.oldestSequence
        responseKeys = loaded.responseKeys
        for (id, key) in responseKeys { references[key] = loaded.session.references[id] }
    }

    var oldestSequence: Int { lastSequence - events.count + 1 }

    /// Who is told so is told also when it is over.
    var isCongested: Bool {
        guard journal.isCongested else { return false }
        journal.relieveLater(self)
        return true
    }

    /// Whether everything is on the disk.
    var isSettled: Bool { journal.isCommitted(ticket) }

    func append(_ event: LogEvent) {
        // number-safe: the session numbers its events itself, one after the other
        precondition(event.sequence == lastSequence + 1)
        events.append(event)
        lastSequence = event.sequence
        byteCount += event.byteCount
        while byteCount > maxBytes, events.count > 1, let oldest = events.first, oldest.sequence <= committedSequence {
            events.removeFirst()
            byteCount -= oldest.byteCount
        }
        let response = event.response.map(key(of:)) ?? 0
        journal.write(for: self) { $0.append(event, session: key, response: response) }
    }

    func keep(_ change: SessionChange) {
        switch change {
        case .created(let record): journal.write(for: self) { $0.insert(record, key: key, ordinal: ordinal) }
        case .remembered(let items, let position):
            let now = journal.unixTime
            journal.write(for: self) { $0.insert(items, session: key, position: position, now: now) }
        case .response(let record):
            let response = key(ofResponse: record.id)
            let now = journal.unixTime
            journal.write(for: self) { $0.put(record, key: response, session: key, now: now) }
        case .itemDeleted(let position):
            let now = journal.unixTime
            journal.write(for: self) { $0.deleteItem(session: key, position: position, now: now) }
        case .metadata(let metadata):
            let now = journal.unixTime
            journal.write(for: self) { $0.setMetadata(metadata, session: key, now: now) }
        case .responseDeleted(let id):
            guard let response = responseKeys.removeValue(forKey: id) else { return }
            latest = nil
            journal.write(for: self) { $0.delete(response: response) }
        }
    }

    /// The session is deleted, with all that the store has of it.
    func delete() {
        onCommit = nil
        onLoss = nil
        journal.write(for: self) { $0.delete(session: key) }
        // What might still happen to it is not kept.
        isLost = true
    }

    func event(after sequence: Int) -> LogEvent { events[sequence - oldestSequence + 1] }

    func fetch(after sequence: Int, then: @escaping ([LogEvent]) -> Void) {
        journal.fetch(session: key, after: sequence, maxBytes: Self.pageByteCount, references: references, then: then)
    }

    func whenCommitted(_ action: @escaping () -> Void) { journal.whenCommitted(ticket, action) }

    // MARK: Keys

    private func key(of reference: ResponseReference) -> Int {
        if let latest, latest.reference === reference { return latest.key }
        let key = key(ofResponse: reference.id)
        latest = (reference, key)
        references[key] = reference
        return key
    }

    private func key(ofResponse id: String) -> Int {
        if let key = responseKeys[id] { return key }
        let key = journal.makeKey()
        responseKeys[id] = key
        return key
    }

    // MARK: For the journal

    fileprivate func commit(upTo sequence: Int) {
        let previous = committedSequence
        guard sequence > previous else { return }
        committedSequence = sequence
        onCommit?(previous)
    }

    fileprivate func lose() {
        if isLost { return }
        isLost = true
        onCommit = nil
        onLoss?()
        onLoss = nil
    }

    /// Nothing of this log need be on its way for its session to have been told to wait.
    fileprivate func relieve() {
        awaitsRelief = false
        onCommit?(committedSequence)
    }
}

extension SessionJournal {
    /// Takes a change of a log into the commit of this turn.
    fileprivate func write(for log: DurableLog, _ change: (inout SessionChanges) -> Void) {
        if log.isLost { return }
        log.ticket = gatheringTicket
        if log.listedTicket != log.ticket {
            log.listedTicket = log.ticket
            list(log)
        }
        gather(change)
    }

    func commit(_ log: DurableLog, upTo sequence: Int) { log.commit(upTo: sequence) }

    fileprivate func relieveLater(_ log: DurableLog) {
        if log.awaitsRelief { return }
        log.awaitsRelief = true
        awaitingRelief.append(log)
    }

    func relieve(_ log: DurableLog) { log.relieve() }

    func lose(_ log: DurableLog) { log.lose() }
}

import Network
import Sessions
import Synchronization

/// Where each session and each response is that is in memory: what loops share, behind one short lock.
final class SessionDirectory: Sendable {
    /// What waits for a session that is being read from the store.
    typealias Waiter = LoopBound<(Result<SessionReference?, APIError>) -> Void>

    private struct Entries {
        var sessions: [String: (reference: SessionReference, lastLookup: Instant)] = [:]
        /// Response identifier to session identifier.
        var responses: [String: String] = [:]
        var count = 0
        var loading: [String: [Waiter]] = [:]
        /// What the store has still, and must not be loaded from it any more.
        var deleting: Set<String> = []
    }

    private let entries = Mutex(Entries())
    private let clock: LoopClock

    /// How long after it was last looked up a session stays in memory: whoever has a reference has used it by then.
    private static let shelter = Duration.seconds(60)

    init(clock: LoopClock = .system) { self.clock = clock }

    /// The session, if it is in memory, whoever it belongs to.
    func session(_ id: String) -> SessionReference? {
        let now = clock.now
        return entries.withLock { entries in
            entries.sessions[id]?.lastLookup = now
            return entries.sessions[id]?.reference
        }
    }

    /// Those of the sessions that are in memory; to be asked for keeps none of them there.
    func present<Value: Sendable>(_ sessions: [String: Value]) -> [String: Value] {
        entries.withLock { entries in sessions.filter { entries.sessions[$0.key] != nil } }
    }

    /// The session that a response belongs to, if it is in memory.
    func session(ofResponse id: String) -> SessionReference? {
        let now = clock.now
        return entries.withLock { entries in
            guard let session = entries.responses[id] else { return nil }
            entries.sessions[session]?.lastLookup = now
            return entries.sessions[session]?.reference
        }
    }

    /// The sessions of an owner that are in memory, newest first.
    func sessions(owner: String) -> [SessionReference] {
        let own = entries.withLock { entries in entries.sessions.values.map(\.reference).filter { $0.owner == owner } }
        return own.sorted { $0.ordinal > $1.ordinal }
    }

    func insert(_ reference: SessionReference) {
        let now = clock.now
        entries.withLock { entries in entries.sessions[reference.id] = (reference, now) }
    }

    func insert(response id: String, sessionID: String) {
        entries.withLock { entries in
            if entries.sessions[sessionID] != nil { entries.responses[id] = sessionID }
        }
    }

    /// A response is to be found no more.
    func remove(response id: String) {
        entries.withLock { $0.responses[id] = nil }
    }

    /// - Parameter isBeingDeleted: it is in the store still, and not to be found there until ``deleted(_:)`` says that it is gone.
    func remove(_ sessionID: String, responses: [String], isBeingDeleted: Bool) {
        entries.withLock { entries in
            if isBeingDeleted { entries.deleting.insert(sessionID) }
            entries.sessions[sessionID] = nil
            for id in responses { entries.responses[id] = nil }
        }
    }

    /// Removes a session that nobody has looked up for a while.
    func removeIfUnused(_ sessionID: String, responses: [String]) -> Bool {
        let now = clock.now
        return entries.withLock { entries in
            if let entry = entries.sessions[sessionID], now - entry.lastLookup < Self.shelter { return false }
            entries.sessions[sessionID] = nil
            for id in responses { entries.responses[id] = nil }
            return true
        }
    }

    // MARK: Deleting

    /// Sessions that ``beginDeleting(_:limit:)`` would pass over, at most.
    var busyCount: Int {
        entries.withLock { $0.sessions.count + $0.loading.count + $0.deleting.count }
    }

    /// Keeps those of the sessions that are not in memory from being loaded, until ``deleted(_:)`` is told.
    /// - Returns: these, the first of them up to the limit.
    func beginDeleting(_ ids: [String], limit: Int) -> [String] {
        entries.withLock { entries in
            let free = ids.filter { entries.sessions[$0] == nil && entries.loading[$0] == nil && !entries.deleting.contains($0) }
            let chosen = Array(free.prefix(limit))
            entries.deleting.formUnion(chosen)
            return chosen
        }
    }

    /// The store has the sessions no more, or keeps them after all.
    func deleted(_ ids: [String]) {
        entries.withLock { $0.deleting.subtract(ids) }
    }

    // MARK: Loading

    enum Loading {
        case resident(SessionReference)
        /// It is being deleted.
        case gone
        /// The caller reads it from the store and tells ``endLoading(_:_:)``.
        case mustLoad
        /// Somebody does already.
        case underWay
    }

    /// Has the waiter told of the session, unless it is in memory.
    func beginLoading(_ id: String, _ waiter: Waiter) -> Loading {
        entries.withLock { entries in
            if let entry = entries.sessions[id] { return .resident(entry.reference) }
            if entries.deleting.contains(id) { return .gone }
            let isFirst = entries.loading[id] == nil
            entries.loading[id, default: []].append(waiter)
            return isFirst ? .mustLoad : .underWay
        }
    }

    func endLoading(_ id: String, _ result: Result<SessionReference?, APIError>) {
        for waiter in entries.withLock({ $0.loading.removeValue(forKey: id) }) ?? [] { waiter.run { $0(result) } }
    }
}

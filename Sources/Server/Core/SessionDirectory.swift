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
    }

    private let entries = Mutex(Entries())

    /// How long after it was last looked up a session stays in memory: whoever has a reference has used it by then.
    private static let shelter = Duration.seconds(60)

    /// The session, if it is in memory, whoever it belongs to.
    func session(_ id: String) -> SessionReference? {
        let now = Instant.monotonicNow
        return entries.withLock { entries in
            entries.sessions[id]?.lastLookup = now
            return entries.sessions[id]?.reference
        }
    }

    /// Whether it is in memory or about to be; asking is no use of it.
    func isResident(_ id: String) -> Bool {
        entries.withLock { $0.sessions[id] != nil || $0.loading[id] != nil }
    }

    /// The session that a response belongs to, if it is in memory.
    func session(ofResponse id: String) -> SessionReference? {
        let now = Instant.monotonicNow
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
        let now = Instant.monotonicNow
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

    func remove(_ sessionID: String, responses: [String]) {
        entries.withLock { entries in
            entries.sessions[sessionID] = nil
            for id in responses { entries.responses[id] = nil }
        }
    }

    /// Removes a session that nobody has looked up for a while.
    func removeIfUnused(_ sessionID: String, responses: [String]) -> Bool {
        let now = Instant.monotonicNow
        return entries.withLock { entries in
            if let entry = entries.sessions[sessionID], now - entry.lastLookup < Self.shelter { return false }
            entries.sessions[sessionID] = nil
            for id in responses { entries.responses[id] = nil }
            return true
        }
    }

    // MARK: Loading

    enum Loading {
        case resident(SessionReference)
        /// The caller reads it from the store and tells ``endLoading(_:_:)``.
        case mustLoad
        /// Somebody does already.
        case underWay
    }

    /// Has the waiter told of the session, unless it is in memory.
    func beginLoading(_ id: String, _ waiter: Waiter) -> Loading {
        entries.withLock { entries in
            if let entry = entries.sessions[id] { return .resident(entry.reference) }
            let isFirst = entries.loading[id] == nil
            entries.loading[id, default: []].append(waiter)
            return isFirst ? .mustLoad : .underWay
        }
    }

    func endLoading(_ id: String, _ result: Result<SessionReference?, APIError>) {
        for waiter in entries.withLock({ $0.loading.removeValue(forKey: id) }) ?? [] { waiter.run { $0(result) } }
    }
}

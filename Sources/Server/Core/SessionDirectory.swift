import Network
import Sessions
import Synchronization

/// A session on whichever loop it lives.
struct SessionReference: Sendable {
    let id: String
    let owner: String
    let bound: LoopBound<Session>
    /// Order of creation among all sessions of the server.
    var ordinal = 0

    var loop: EventLoop { bound.loop }

    /// Runs `body` on the session's loop and `then` on the caller's; both at once when the loops are the same.
    func perform<Result: Sendable>(
        from loop: EventLoop, _ body: @escaping @Sendable (Session) -> Result, then: @escaping (Result) -> Void
    ) {
        if loop === self.loop {
            then(body(bound.value))
            return
        }
        let answer = LoopBound(then, on: loop)
        self.loop.execute {
            let result = body(bound.value)
            answer.run { $0(result) }
        }
    }
}

/// Where each session and each response is: what loops share, behind one short lock.
final class SessionDirectory: Sendable {
    private struct Entries {
        var sessions: [String: SessionReference] = [:]
        /// Response identifier to session identifier.
        var responses: [String: String] = [:]
        var count = 0
    }

    private let entries = Mutex(Entries())

    /// The session, if there is one and it belongs to `owner`: others cannot tell a foreign session from none.
    func session(_ id: String, owner: String) -> SessionReference? {
        entries.withLock { entries in entries.sessions[id].flatMap { $0.owner == owner ? $0 : nil } }
    }

    /// The session that a response belongs to.
    func session(ofResponse id: String, owner: String) -> SessionReference? {
        entries.withLock { entries in
            entries.responses[id].flatMap { entries.sessions[$0] }.flatMap { $0.owner == owner ? $0 : nil }
        }
    }

    /// All sessions of an owner, newest first.
    func sessions(owner: String) -> [SessionReference] {
        let own = entries.withLock { entries in entries.sessions.values.filter { $0.owner == owner } }
        return own.sorted { $0.ordinal > $1.ordinal }
    }

    func insert(_ reference: SessionReference) {
        entries.withLock { entries in
            var reference = reference
            entries.count += 1
            reference.ordinal = entries.count
            entries.sessions[reference.id] = reference
        }
    }

    func insert(response id: String, sessionID: String) {
        entries.withLock { entries in
            if entries.sessions[sessionID] != nil { entries.responses[id] = sessionID }
        }
    }

    func remove(_ sessionID: String, responses: [String]) {
        entries.withLock { entries in
            entries.sessions[sessionID] = nil
            for id in responses { entries.responses[id] = nil }
        }
    }
}

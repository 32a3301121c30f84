package import Hosting
package import Network
package import Sessions
package import Storage

/// The sessions of all loops. Finds them in memory, or in the store, from which they are loaded onto a loop.
package final class SessionDirectory: Sendable {
    /// The sessions in memory.
    package let residency: Residency<Session>
    /// Indexed by event loop.
    package let loops: [LoopBound<SessionLoop>]
    /// Nil if sessions exist in memory only.
    private let source: SessionSource?

    /// - Parameters:
    ///   - loops: one for each event loop, in order.
    ///   - maxTailBytes: bytes of a session's newest events that are loaded with it.
    package init(residency: Residency<Session>, loops: [LoopBound<SessionLoop>], store: Store?, maxTailBytes: Int) {
        self.residency = residency
        self.loops = loops
        source = store.map { SessionSource(store: $0, loops: loops, maxTailBytes: maxTailBytes) }
    }

    /// The sessions that live on a loop. Must be called on that loop.
    package func sessions(on loop: EventLoop) -> SessionLoop { loops[loop.index].value }

    /// The loop on which a session requested on `loop` is created. Must be called on `loop`, which is the one that the policy
    /// chooses: the session exists on return.
    package func sessions(placedFrom loop: EventLoop) -> SessionLoop { sessions(on: residency.policy.loop(requestedOn: loop)) }

    // MARK: Lookup

    /// Finds a session.
    /// - Parameter then: called on `loop`, at once if the session is in memory; with nil if this owner has none: clients cannot
    ///   tell another owner's session from a missing one.
    package func find(
        session id: String, owner: String, from loop: EventLoop,
        then: @escaping (Result<SessionReference?, LoadFailure>) -> Void
    ) {
        residency.find(id, owner: owner, from: loop, in: source) { then($0.map { $0.map(SessionReference.init) }) }
    }

    /// Finds the session that a response belongs to; like ``find(session:owner:from:then:)``.
    package func find(
        response id: String, owner: String, from loop: EventLoop,
        then: @escaping (Result<SessionReference?, LoadFailure>) -> Void
    ) {
        residency.find(alias: id, owner: owner, from: loop, in: source) { then($0.map { $0.map(SessionReference.init) }) }
    }

    /// The session if it is in memory, whatever its owner.
    package func resident(_ id: String) -> SessionReference? { residency.resident(id).map(SessionReference.init) }

    /// The session of a response if it is in memory, whatever its owner.
    package func resident(ofResponse id: String) -> SessionReference? {
        residency.resident(alias: id).map(SessionReference.init)
    }

    /// An owner's sessions that are in memory, newest first.
    package func residents(owner: String) -> [SessionReference] {
        residency.residents(owner: owner).map(SessionReference.init)
    }

    // MARK: Start and stop

    /// Loads the sessions with unfinished work onto their loops, where it continues.
    package func recover(until lifecycle: Lifecycle) async {
        if let source { await residency.recover(from: source, until: lifecycle) }
    }

    /// Whether no work runs and no output is pending.
    package func isDrained() async -> Bool {
        for bound in loops { if await !bound.call({ $0.isDrained }) { return false } }
        return true
    }
}

/// The sessions in the store, with their responses as aliases.
private struct SessionSource: ObjectSource {
    let store: Store
    let loops: [LoopBound<SessionLoop>]
    let maxTailBytes: Int

    func load(_ id: String, then: @escaping @Sendable (Result<Store.LoadedSession?, LoadFailure>) -> Void) {
        store.loadSession(id, owner: nil, maxTailBytes: maxTailBytes) { then($0.mapError(LoadFailure.init)) }
    }

    func findID(
        ofAlias responseID: String, owner: String, then: @escaping @Sendable (Result<String?, LoadFailure>) -> Void
    ) {
        store.sessionID(ofResponse: responseID, owner: owner) { then($0.mapError(LoadFailure.init)) }
    }

    func restore(_ loaded: Store.LoadedSession, on loop: EventLoop) throws(LoadFailure) -> ObjectReference<Session>? {
        do {
            return try loops[loop.index].value.restore(loaded)?.object
        } catch {
            throw LoadFailure(reason: "\(error)")
        }
    }

    func unfinished() async throws(LoadFailure) -> [(id: String, owner: String)] {
        do throws(StorageError) {
            return try await store.unfinishedSessions()
        } catch {
            throw LoadFailure(error)
        }
    }
}

extension LoadFailure {
    fileprivate init(_ error: StorageError) { self.init(reason: "\(error)") }
}

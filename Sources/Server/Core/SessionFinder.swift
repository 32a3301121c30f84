import HTTP
import Hosting
import Network
import Sessions
import Storage

/// Finds sessions and responses: in memory, or in the store, from which they are brought to a loop.
extension ServerContext {
    /// - Parameter then: called on `loop`, at once if the session is in memory; with nil if there is none of this owner: others
    ///   cannot tell a foreign session from none.
    func find(
        session id: String, owner: String, from loop: EventLoop, then: @escaping (Result<SessionReference?, APIError>) -> Void
    ) {
        residency.find(id, owner: owner, from: loop, in: sessionSource) { then(Self.answer($0)) }
    }

    /// The session that a response belongs to; as ``find(session:owner:from:then:)``.
    func find(
        response id: String, owner: String, from loop: EventLoop, then: @escaping (Result<SessionReference?, APIError>) -> Void
    ) {
        residency.find(alias: id, owner: owner, from: loop, in: sessionSource) { then(Self.answer($0)) }
    }

    private static func answer(
        _ result: Result<ObjectReference<Session>?, LoadFailure>
    ) -> Result<SessionReference?, APIError> {
        result.map { $0.map(SessionReference.init) }.mapError { _ in .storageUnavailable }
    }

    /// The session, if it is in memory, whatever its owner.
    func residentSession(_ id: String) -> SessionReference? { residency.resident(id).map(SessionReference.init) }

    /// The session of a response, if it is in memory, whatever its owner.
    func residentSession(ofResponse id: String) -> SessionReference? {
        residency.resident(alias: id).map(SessionReference.init)
    }

    /// The sessions of an owner that are in memory, newest first.
    func residentSessions(owner: String) -> [SessionReference] {
        residency.residents(owner: owner).map(SessionReference.init)
    }

    /// Brings sessions in which something had not ended back to their loops, where they go on.
    func recoverSessions() async {
        if let sessionSource { await residency.recover(from: sessionSource, until: lifecycle) }
    }

    private var sessionSource: SessionSource? { store.map { SessionSource(store: $0, context: self) } }
}

/// Sessions in the store. Their responses lead to them.
private struct SessionSource: ObjectSource {
    let store: Store
    let context: ServerContext

    func load(_ id: String, then: @escaping @Sendable (Result<Store.LoadedSession?, LoadFailure>) -> Void) {
        store.loadSession(id, owner: nil, maxTailBytes: context.configuration.residentLogBytes) {
            then($0.mapError(LoadFailure.init))
        }
    }

    func findID(
        ofAlias responseID: String, owner: String, then: @escaping @Sendable (Result<String?, LoadFailure>) -> Void
    ) {
        store.sessionID(ofResponse: responseID, owner: owner) { then($0.mapError(LoadFailure.init)) }
    }

    func restore(_ loaded: Store.LoadedSession, on loop: EventLoop) throws(LoadFailure) -> ObjectReference<Session>? {
        do {
            return try context.sessions(on: loop).restore(loaded)?.object
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

extension APIError {
    init(_ error: StorageError) { self = .storageUnavailable }

    /// The store cannot be read or written.
    static var storageUnavailable: APIError {
        APIError(
            status: .serviceUnavailable, message: "The store cannot be used at this time. Try again later.", type: "server_error",
            code: "storage_unavailable", retryAfterSeconds: 1)
    }
}

extension Call {
    /// Goes on with a session of the caller's, or answers that there is none.
    func findSession(_ id: String, _ body: @escaping (SessionReference) throws(APIError) -> Void) {
        context.find(session: id, owner: owner, from: loop) { result in
            go(on: result, orElse: .notFound("session", id: id, code: "session_not_found"), body)
        }
    }

    /// Goes on with the session of a response of the caller's, or answers that there is none.
    func findSession(ofResponse id: String, _ body: @escaping (SessionReference) throws(APIError) -> Void) {
        context.find(response: id, owner: owner, from: loop) { result in
            go(on: result, orElse: .notFound("response", id: id, code: "response_not_found"), body)
        }
    }

    private func go(
        on result: Result<SessionReference?, APIError>, orElse missing: APIError,
        _ body: (SessionReference) throws(APIError) -> Void
    ) {
        do throws(APIError) {
            guard let reference = try result.get() else { throw missing }
            try body(reference)
        } catch {
            fail(error)
        }
    }
}

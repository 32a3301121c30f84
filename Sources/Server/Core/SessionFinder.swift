import HTTP
import Logging
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
        find(session: id, from: loop) { result in
            then(result.map { $0.flatMap { $0.owner == owner ? $0 : nil } })
        }
    }

    /// The session that a response belongs to; as ``find(session:owner:from:then:)``.
    func find(
        response id: String, owner: String, from loop: EventLoop, then: @escaping (Result<SessionReference?, APIError>) -> Void
    ) {
        if let session = directory.session(ofResponse: id) {
            then(.success(session.owner == owner ? session : nil))
            return
        }
        guard let store else {
            then(.success(nil))
            return
        }
        let answer = LoopBound(then, on: loop)
        store.sessionID(ofResponse: id, owner: owner) { result in
            answer.loop.execute {
                switch result {
                case .failure(let error): answer.value(.failure(APIError(error)))
                case .success(nil): answer.value(.success(nil))
                case .success(let session?): self.find(session: session, owner: owner, from: answer.loop, then: answer.value)
                }
            }
        }
    }

    /// Brings sessions in which something had not ended back to their loops, where they go on.
    func recoverSessions() async {
        guard let store else { return }
        var found: [(id: String, owner: String)]?
        while found == nil, !lifecycle.isDraining {
            do throws(StorageError) {
                found = try await store.unfinishedSessions()
            } catch {
                loops[0].logger.error("what was cut cannot be read; trying again", metadata: ["error": "\(error)"])
                try? await Task.sleep(for: .seconds(1))
            }
        }
        let unfinished = found ?? []
        for (index, session) in unfinished.enumerated() {
            let loop = sessionLoops[index % sessionLoops.count].loop
            await withCheckedContinuation { continuation in
                loop.execute {
                    self.find(session: session.id, owner: session.owner, from: loop) { _ in continuation.resume() }
                }
            }
        }
    }

    private func find(
        session id: String, from loop: EventLoop, then: @escaping (Result<SessionReference?, APIError>) -> Void
    ) {
        if let session = directory.session(id) {
            then(.success(session))
            return
        }
        guard let store else {
            then(.success(nil))
            return
        }
        switch directory.beginLoading(id, LoopBound(then, on: loop)) {
        case .resident(let session): then(.success(session))
        case .gone: then(.success(nil))
        case .underWay: return
        case .mustLoad:
            let logger = loop.logger
            store.loadSession(id, owner: nil, maxTailBytes: configuration.residentLogBytes) { result in
                switch result {
                case .failure(let error):
                    logger.error("a session cannot be read from the store", metadata: ["session": "\(id)", "error": "\(error)"])
                    self.directory.endLoading(id, .failure(APIError(error)))
                case .success(nil): self.directory.endLoading(id, .success(nil))
                case .success(let loaded?): loop.execute { self.directory.endLoading(id, self.restore(loaded, on: loop)) }
                }
            }
        }
    }
}

extension ServerContext {
    /// Call on `loop`.
    private func restore(_ loaded: Store.LoadedSession, on loop: EventLoop) -> Result<SessionReference?, APIError> {
        do {
            return .success(try sessions(on: loop).restore(loaded))
        } catch {
            let id = loaded.session.record.id
            loop.logger.error("a session cannot be restored", metadata: ["session": "\(id)", "error": "\(error)"])
            return .failure(APIError(StorageError.refused(reason: "\(error)")))
        }
    }
}

extension APIError {
    init(_ error: StorageError) {
        self.init(
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

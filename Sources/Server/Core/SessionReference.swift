import Network
import Sessions

/// A session on whichever loop it lives.
struct SessionReference: Sendable {
    let id: String
    let owner: String
    let bound: LoopBound<Session>
    /// Its place among all sessions by age.
    let ordinal: Int
    /// Whether it is kept in the store.
    let isDurable: Bool

    var loop: EventLoop { bound.loop }

    /// Runs `body` on the session's loop and, when what it did is safe, `then` on the caller's.
    ///
    /// Both run at once when the loops are the same and there is nothing to make safe.
    /// - Parameters:
    ///   - withdraw: takes back what `body` did, on the session's loop, when that could not be made safe in time; gets its result.
    ///   - fail: called in the place of `then` after that.
    func perform<Value: Sendable>(
        from loop: EventLoop, withdraw: @escaping @Sendable (Session, Value) -> Void = { _, _ in },
        orElse fail: @escaping (APIError) -> Void, _ body: @escaping @Sendable (Session) -> Value, then: @escaping (Value) -> Void
    ) {
        performLater(from: loop) { session, answer in
            let value = body(session)
            session.whenKept { isKept in
                if isKept { return answer(.success(value)) }
                withdraw(session, value)
                session.forgetIfNeverKept()
                answer(.failure(.notKept))
            }
        } then: { (result: Result<Value, APIError>) in
            switch result {
            case .success(let value): then(value)
            case .failure(let error): fail(error)
            }
        }
    }

    /// As ``perform(from:_:then:)`` for what takes more than one turn: `body` hands its result to the closure that it is given.
    func performLater<Result: Sendable>(
        from loop: EventLoop, _ body: @escaping @Sendable (Session, @escaping (Result) -> Void) -> Void,
        then: @escaping (Result) -> Void
    ) {
        if loop === self.loop {
            body(bound.value, then)
            return
        }
        let answer = LoopBound(then, on: loop)
        self.loop.execute { body(bound.value) { result in answer.run { $0(result) } } }
    }
}

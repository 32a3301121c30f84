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
    func perform<Result: Sendable>(
        from loop: EventLoop, _ body: @escaping @Sendable (Session) -> Result, then: @escaping (Result) -> Void
    ) {
        if loop === self.loop {
            let session = bound.value
            let result = body(session)
            session.log.whenCommitted { then(result) }
            return
        }
        let answer = LoopBound(then, on: loop)
        self.loop.execute {
            let session = bound.value
            let result = body(session)
            session.log.whenCommitted { answer.run { $0(result) } }
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

import Network
import Sessions

/// A session on whichever loop it lives: the only way to it for a face, which gives it commands and never holds it.
struct SessionReference: Sendable {
    let id: String
    let owner: String
    private let bound: LoopBound<Session>
    /// Its index among all sessions by age.
    let ordinal: Int

    var loop: EventLoop { bound.loop }

    init(_ session: LoopBound<Session>, id: String, owner: String, ordinal: Int) {
        self.id = id
        self.owner = owner
        self.ordinal = ordinal
        bound = session
    }

    /// Has the session carry a command out; within this call if it lives on the caller's loop and nothing waits to be committed.
    ///
    /// What the command did is told when it is committed. If that takes longer than ``Sessions/Session/keepingDeadline``, it is
    /// withdrawn, and the outcome is the refusal ``Sessions/SessionError/notCommitted``. Any other refusal has changed nothing, and
    /// is told at once.
    /// - Parameters:
    ///   - reader: attached as the command says; stopped if it is refused. On the session's loop, events that the command causes come
    ///     before its outcome.
    ///   - listens: whether the reader counts as a listener, for disconnect policies.
    ///   - loop: the caller's.
    ///   - then: called once, on the caller's loop.
    func perform(
        _ kind: SessionCommand.Kind, reader: EventReader? = nil, listens: Bool = true, from loop: EventLoop,
        then: @escaping (SessionOutcome) -> Void
    ) {
        let command = SessionCommand(kind)
        let cursor = reader?.makeCursor(for: self, listens: listens)
        let told = { (outcome: SessionOutcome) in
            if outcome.isRefusal { reader?.stop() }
            then(outcome)
        }
        if loop === self.loop { return carryOut(command, cursor, then: told) }
        let answer = LoopBound(told, on: loop)
        self.loop.execute { carryOut(command, cursor) { outcome in answer.run { $0(outcome) } } }
    }

    /// As ``perform(_:reader:listens:from:then:)``, for a caller that is in a task anyway.
    func send(_ kind: SessionCommand.Kind) async -> SessionOutcome {
        await withCheckedContinuation { continuation in
            loop.execute { perform(kind, from: loop) { continuation.resume(returning: $0) } }
        }
    }

    /// Reads events of the log, for a client that polls.
    /// - Parameters:
    ///   - position: the last event that the client knows.
    ///   - limit: the most events.
    ///   - then: called once, on the caller's loop.
    func readEvents(
        after position: LogPosition, limit: Int, mergesDeltas: Bool, from loop: EventLoop,
        then: @escaping (Result<EventRead, SessionError>) -> Void
    ) {
        if loop === self.loop { return readEvents(after: position, limit, mergesDeltas, then: then) }
        let answer = LoopBound(then, on: loop)
        self.loop.execute {
            readEvents(after: position, limit, mergesDeltas) { result in answer.run { $0(result) } }
        }
    }

    /// On the session's loop.
    private func readEvents(
        after position: LogPosition, _ limit: Int, _ mergesDeltas: Bool, then: @escaping (Result<EventRead, SessionError>) -> Void
    ) {
        let session = bound.value
        session.readEvents(after: position, limit: limit, mergesDeltas: mergesDeltas) { read in
            // Events are committed when they are read; a state may tell of some that are not.
            guard case .state = read else { return then(.success(read)) }
            session.whenKept { then($0 ? .success(read) : .failure(.notCommitted)) }
        }
    }

    /// On the session's loop.
    private func carryOut(
        _ command: SessionCommand, _ cursor: LoopBound<FeedCursor>?, then: @escaping (SessionOutcome) -> Void
    ) {
        let session = bound.value
        let outcome = session.handle(command, following: cursor?.value)
        if outcome.isRefusal { return then(outcome) }
        let destination = session.destination(of: outcome)
        destination.whenKept { isKept in
            if isKept { return then(outcome) }
            destination.withdraw(command, outcome)
            if let cursor { destination.detach(cursor.value) }
            destination.forgetIfNeverKept()
            then(.refused(.notCommitted))
        }
    }
}

package import Hosting
package import Network
package import Sessions

/// A handle to a session, wherever it lives. Faces send commands through it and never retain the session itself.
package struct SessionReference: Sendable {
    /// The handle to the hosted object.
    package let object: ObjectReference<Session>

    /// A handle to the session of `object`.
    package init(_ object: ObjectReference<Session>) { self.object = object }

    /// The session's identifier.
    package var id: String { object.id }
    /// The principal that may use it.
    package var owner: String { object.owner }
    /// Number by which all sessions are ordered by age: ``SessionOrdinals``.
    package var ordinal: Int { object.ordinal }
    /// The loop that the session lives on.
    package var loop: EventLoop { object.loop }

    /// Performs a command on the session; within this call if it lives on the caller's loop and nothing needs to be committed.
    ///
    /// The outcome is reported once it is committed. If that takes longer than ``Hosting/CommitWait/deadline``, the command is
    /// withdrawn, and the outcome is the refusal ``Sessions/SessionError/notCommitted``. Any other refusal has changed nothing and
    /// is reported at once.
    /// - Parameters:
    ///   - reader: attached as the command says; stopped if it is refused. Events that the command causes reach every reader on the
    ///     caller's loop before its outcome, if the reader takes them. From another loop, the events after a join arrive after its
    ///     outcome.
    ///   - listens: whether the reader counts as a listener, for disconnect policies.
    ///   - loop: the caller's.
    ///   - then: called once, on the caller's loop.
    package func perform(
        _ kind: SessionCommand.Kind, reader: EventReader? = nil, listens: Bool = true, from loop: EventLoop,
        then: @escaping (SessionOutcome) -> Void
    ) {
        let command = SessionCommand(kind)
        let cursor = reader?.makeCursor(for: self, listens: listens)
        let remote = self.loop === loop ? nil : self.loop
        object.perform(from: loop) { session, answer in
            Self.carryOut(command, cursor, in: session) { outcome in
                if let remote { Self.tell(outcome, behindEventsOn: remote, answer) } else { answer(outcome) }
            }
        } then: { (outcome: SessionOutcome) in
            if outcome.isRefusal {
                reader?.stop()
            } else if reader?.isStopped == true {
                // Its client left while the session was being looked up.
                cursor?.run { $0.detach() }
            }
            then(outcome)
        }
    }

    /// Like ``perform(_:reader:listens:from:then:)``, for a caller in a task.
    package func send(_ kind: SessionCommand.Kind) async -> SessionOutcome {
        await withCheckedContinuation { continuation in
            loop.execute { perform(kind, from: loop) { continuation.resume(returning: $0) } }
        }
    }

    /// Reads events of the log, for a client that polls.
    /// - Parameters:
    ///   - position: the last event that the client has.
    ///   - limit: the maximum number of events.
    ///   - then: called once, on the caller's loop.
    package func readEvents(
        after position: LogPosition, limit: Int, mergesDeltas: Bool, from loop: EventLoop,
        then: @escaping (Result<EventRead, SessionError>) -> Void
    ) {
        object.perform(from: loop) { session, answer in
            session.readEvents(after: position, limit: limit, mergesDeltas: mergesDeltas) { read in
                // Events are committed before they are read; a state may include uncommitted changes.
                guard case .state = read else { return answer(.success(read)) }
                session.whenCommitted { answer($0 ? .success(read) : .failure(.notCommitted)) }
            }
        } then: { (result: Result<EventRead, SessionError>) in
            then(result)
        }
    }

    /// Answers a command that came from another loop.
    /// - Parameter loop: the session's.
    private static func tell(
        _ outcome: SessionOutcome, behindEventsOn loop: EventLoop, _ answer: @escaping (SessionOutcome) -> Void
    ) {
        switch outcome {
        // A reader knows its position before it gets the first event.
        case .joined, .following, .refused: answer(outcome)
        default:
            // The events of an iteration leave for another loop in one batch, by work that was scheduled before this.
            let answer = LoopBound(answer, on: loop)
            loop.execute { answer.value(outcome) }
        }
    }

    /// On the session's loop.
    private static func carryOut(
        _ command: SessionCommand, _ cursor: LoopBound<FeedCursor>?, in session: Session,
        then: @escaping (SessionOutcome) -> Void
    ) {
        let outcome = session.handle(command, following: cursor?.value)
        if outcome.isRefusal { return then(outcome) }
        let destination = session.destination(of: outcome)
        destination.whenCommitted { isCommitted in
            if isCommitted { return then(outcome) }
            destination.withdraw(command, outcome)
            if let cursor { destination.detach(cursor.value) }
            destination.forgetIfNeverCommitted()
            then(.refused(.notCommitted))
        }
    }
}

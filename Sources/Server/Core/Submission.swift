import Network
import Sessions

/// An input on its way to a session, from any face and any loop.
struct Submission: Sendable {
    enum Target: Sendable {
        /// A conversation of its own.
        case session(SessionReference)
        /// The conversation of a previous response: continued if that response is its last, else branched off there.
        case continuation(of: String, in: SessionReference)
    }

    var target: Target
    var input: Input
    /// Whether a branch outlives its listeners.
    var isStored = true
    /// Whether what is said is kept in the store.
    var isDurable = true
    /// Describes the response as it stands right after, for the outcome; nil: that is not wanted.
    var describe: (@Sendable (Generation) -> [UInt8])?

    /// What became of it, for the caller's loop.
    struct Outcome: Sendable {
        let session: SessionReference
        let responseID: String
        /// Of the acceptance in the session's log.
        let position: LogPosition
        let mode: InterjectionMode?
        let interrupted: Interrupted?
        /// If it was wanted.
        let response: [UInt8]?

        /// Call on the session's loop.
        init(_ acceptance: Acceptance, in session: SessionReference, response: [UInt8]? = nil) {
            self.response = response
            self.session = session
            responseID = acceptance.generation.id
            position = session.bound.value.log.epochs.position(of: acceptance.sequence)
            mode = acceptance.mode
            interrupted = acceptance.interrupted
        }
    }

    var loop: EventLoop {
        switch target {
        case .session(let reference), .continuation(_, let reference): reference.loop
        }
    }

    /// Submits, from any loop.
    /// - Parameters:
    ///   - reader: gets the events from the submission on, if it is accepted.
    ///   - then: called on `loop`; the events of a session of that loop come before it.
    func submit(
        from loop: EventLoop, context: ServerContext, reader: EventReader?, then: @escaping (Result<Outcome, APIError>) -> Void
    ) {
        let reference: SessionReference
        switch target {
        case .session(let session), .continuation(_, let session): reference = session
        }
        let cursor = reader?.makeCursor(for: reference)
        reference.performLater(from: loop) { session, answer in
            do throws(APIError) {
                let outcome = try submit(to: session, reference, context, cursor)
                // On a branch it is the branch's log that must have it.
                let session = outcome.session.bound.value
                session.whenKept { isKept in
                    if isKept { return answer(.success(outcome)) }
                    session.withdraw(responseID: outcome.responseID)
                    if let cursor { session.detach(cursor.value) }
                    session.forgetIfNeverKept()
                    answer(.failure(.notKept))
                }
            } catch {
                answer(.failure(error))
            }
        } then: { (result: Result<Outcome, APIError>) in
            if case .failure = result { reader?.stop() }
            then(result)
        }
    }

    /// On the session's loop.
    private func submit(
        to session: Session, _ reference: SessionReference, _ context: ServerContext, _ cursor: LoopBound<FeedCursor>?
    ) throws(APIError) -> Outcome {
        try ToolRules(rejectsUnknown: context.configuration.rejectsUnknownTools).check(input.parameters)
        let sessions = context.sessions(on: reference.loop)
        var session = session
        var reference = reference
        var input = input
        // On a branch, steers that wait at the response that it begins with are its own.
        var steered: (generation: Generation, session: Session)?
        if case .continuation(let previous, _) = target {
            guard let generation = session.generations.last(where: { $0.id == previous }) else {
                throw .previousResponseNotFound(previous)
            }
            // What is not to be stored is said on a branch of its own, and so is what is to be stored after what was not.
            // The conversation may have gone on without it: by a response that was deleted since, or by items that were added.
            let wentOn = generation.conversationItemCount.map { $0 != session.items.count } ?? false
            let isKeptHere = reference.isDurable == (isDurable && context.store != nil)
            if session.generations.last !== generation || wentOn || !isKeptHere {
                guard let items = session.conversation(upTo: generation) else { throw .previousResponseNotFound(previous) }
                steered = (generation, session)
                input.items = generation.pendingSteers.flatMap(\.items) + input.items
                reference = sessions.makeSession(
                    owner: session.owner, defaults: input.parameters, isEphemeral: !isStored, isDurable: isDurable,
                    forking: (generation, items))
                session = reference.bound.value
            }
            input.previousResponseID = previous
        }
        do {
            if let cursor { try session.attach(cursor.value, after: session.log.lastPosition) }
            let acceptance = try sessions.submit(input, to: session)
            if let steered { steered.session.takeSteers(of: steered.generation, for: acceptance.generation) }
            return Outcome(acceptance, in: reference, response: describe?(acceptance.generation))
        } catch {
            if let cursor { session.detach(cursor.value) }
            throw APIError(error)
        }
    }
}

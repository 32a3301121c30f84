import API
import Bytes
import HTTP
import JSON
import Network
import ResponsesWire
import SessionHosting
import Sessions

/// The `interject:` commands: joining, leaving, speaking, cancelling. `Protocols/sessions.md`.
extension ResponsesSocket {
    func join(_ body: JSONObject) throws(APIError) {
        guard let id = try checked(try body.optionalString("session_id")) else {
            throw .invalid("'session_id' is missing.", param: "session_id", code: "missing_required_parameter")
        }
        let participant = try checked(try Self.participant(body))
        let after = try checked(try body.optionalPosition("starting_after"))
        let told = pauseUntilAnswered()
        findSession(id, for: body, otherwise: told) { [self] (reference) throws(APIError) in
            let session = try enter(reference, participant, body)
            join(session, after: after, body, orElse: told) { [self] standing in tell(session, standing, body, then: told) }
        }
    }

    /// Adds a session to the joined ones.
    private func enter(
        _ reference: SessionReference, _ participant: Participant?, _ body: JSONObject
    ) throws(APIError) -> JoinedSession {
        guard joined[reference.id] == nil else {
            throw APIError(
                status: .conflict, message: "This connection has joined the session already.", code: "already_joined")
        }
        guard joined.count < Limits.maxJoinedSessions else {
            throw APIError(
                status: .tooManyRequests, message: "This connection has joined \(joined.count) sessions already.",
                code: "too_many_sessions")
        }
        let session = JoinedSession(
            socket: self, reference: reference, participant: participant, streamID: try Self.streamID(body),
            mergesDeltas: try checked(try CatchUp.mergesDeltas(try body.optionalString("merge"))))
        joined[reference.id] = session
        return session
    }

    /// - Parameters:
    ///   - refused: called after a refusal was sent.
    ///   - then: called with the session's standing at the time of the join.
    private func join(
        _ session: JoinedSession, after: LogPosition?, _ body: JSONObject, orElse refused: @escaping () -> Void,
        then: @escaping (SessionStanding) -> Void
    ) {
        let refuse = { [self] (error: SessionError) in
            forget(session)
            fail(APIError(error), for: body)
            refused()
        }
        let join = SessionCommand.Join(participant: session.participant, after: after)
        perform(.join(join), on: session.reference, for: body, reader: session, orElse: refuse) {
            (outcome) throws(SessionError) in
            let (standing, start) = try outcome.joined()
            // From here on the session's events go through the join, including those that arrive while the state is being encoded.
            session.cover(after: start.sequence)
            then(standing)
        }
    }

    /// Sends `interject:joined`, and then the session's events since the join.
    private func tell(_ session: JoinedSession, _ standing: SessionStanding, _ body: JSONObject, then: @escaping () -> Void) {
        let participant = session.participant
        encode(standing.state, { Self.joined($0, participant, for: body) }) { [self] encoded in
            // The session may have been deleted meanwhile, and the client told that it has left.
            if joined[session.reference.id] === session {
                encoded.withUnsafeBytes { send(text: $0) }
                session.open()
            } else if !hasEnded {
                fail(.sessionDeleted, for: body)
            }
            then()
        }
    }

    /// Undoes a join, and lets the lanes send the events that waited for it.
    private func forget(_ session: JoinedSession) {
        session.decide()
        if joined[session.reference.id] === session { joined[session.reference.id] = nil }
        releaseWithheld()
    }

    private func releaseWithheld() {
        for reader in lanes.values.flatMap(\.readers) { reader.releaseWithheld() }
    }

    /// Encodes an event that contains a session's state, off the loop if that is large. Meanwhile, the session's events wait in the
    /// join.
    /// - Parameter then: called on the loop.
    private func encode(
        _ state: SessionState, _ event: @escaping @Sendable (SessionState) -> [UInt8], then: @escaping ([UInt8]) -> Void
    ) {
        guard state.isLarge else { return then(event(state)) }
        runInOrder {
            event(state)
        } then: { encoded in
            // Encoded here if no thread is free: the client has joined.
            then(encoded ?? event(state))
        }
    }

    private static func joined(_ state: SessionState, _ participant: Participant?, for command: JSONObject) -> [UInt8] {
        var output = ByteBuffer()
        output.appendJSONObject { event in
            event.field("type", "interject:joined")
            state.json.withUnsafeBytes { event.field("session", json: $0) }
            if let participant {
                event.object("participant") {
                    $0.field("id", participant.id)
                    $0.field("name", participant.name)
                }
            } else {
                event.null("participant")
            }
            event.field("sequence", state.lastPosition.sequence)
            event.field(epochOf: state.lastPosition)
            echo(command, to: &event)
        }
        return output.array
    }

    func leave(_ body: JSONObject) throws(APIError) {
        let id = try checked(try body.optionalString("session_id")) ?? ""
        guard hasCommandsUnderWay else { return try leave(id, body) }
        // The session's log acknowledges the commands before this one.
        let told = pauseUntilAnswered()
        whenCommandsAreDone { [self] in
            do throws(APIError) {
                try leave(id, body)
            } catch {
                fail(error, for: body)
            }
            told()
        }
    }

    private func leave(_ id: String, _ body: JSONObject) throws(APIError) {
        guard let session = joined.removeValue(forKey: id) else {
            throw .invalid("This connection has not joined that session.", param: "session_id", code: "not_joined")
        }
        session.leave()
        send("interject:left", for: body) { $0.field("session_id", id) }
    }

    // MARK: Speaking

    func input(_ body: JSONObject, _ request: SessionInput) throws(APIError) {
        let participant = try checked(try Self.participant(body))
        guard let id = try checked(try body.optionalString("session_id")) else {
            let told = pauseUntilAnswered()
            if let model = request.model { return begin(request, model: model, participant, body, told: told) }
            let named = delayingEnd { [self] (model: String?) in
                if hasEnded { return told() }
                begin(request, model: model ?? "", participant, body, told: told)
            }
            services.modelNames.first(on: loop, then: named)
            return
        }
        let told = joined[id] == nil ? pauseUntilAnswered() : nil
        findSession(id, for: body, otherwise: told) { [self] (reference) throws(APIError) in
            if let session = joined[id] {
                told?()
                speak(request, in: reference, as: session.participant, body, joining: nil)
            } else {
                // Joins as a watcher, so that the sender sees the answer.
                let session = try enter(reference, nil, body)
                session.joinWithInput()
                // Not paused yet if the session was joined when the input arrived, and has been closed since.
                let joining = Joining(session: session, made: nil, told: told ?? pauseUntilAnswered())
                speak(request, in: reference, as: nil, body, joining: joining)
            }
        }
    }

    /// A session that the sender of an input joins if the input is accepted. Until the sender is told, its next commands wait:
    /// their effect depends on whether it has joined.
    private struct Joining {
        let session: JoinedSession
        /// The initial standing of a session that was created for the input; nil if the session existed before.
        let made: SessionStanding?
        /// Ends the pause.
        let told: () -> Void
    }

    /// Creates a session for an input that names none.
    private func begin(
        _ request: SessionInput, model: String, _ participant: Participant?, _ body: JSONObject, told: @escaping () -> Void
    ) {
        let defaults = ResponseParameters(model: model, instructions: request.instructions, members: request.members)
        let reference = services.sessions(placedFrom: loop).makeSession(
            owner: owner, defaults: defaults, policy: request.policy ?? .grace(.seconds(30)))
        let session: JoinedSession
        do throws(APIError) {
            session = try enter(reference, participant, body)
        } catch {
            delete(reference)
            fail(error, for: body)
            return told()
        }
        session.joinWithInput()
        join(session, after: .start, body, orElse: told) { [self] standing in
            let joining = Joining(session: session, made: standing, told: told)
            speak(request, in: reference, as: participant, body, joining: joining)
        }
    }

    private func speak(
        _ request: SessionInput, in reference: SessionReference, as participant: Participant?, _ body: JSONObject,
        joining: Joining?
    ) {
        let speaker = participant?.name ?? request.participantName
        guard let speaker, request.isLarge, request.speaker != speaker else {
            return submit(request, to: reference, as: participant, body, joining: joining)
        }
        runInOrder {
            request.spoken(by: speaker)
        } then: { [self] spoken in
            if hasEnded {
                // The input was not submitted, and will not be.
                if let joining { abandon(joining) }
                joining?.told()
            } else if let spoken {
                submit(spoken, to: reference, as: participant, body, joining: joining)
            } else {
                refuse(.overloaded, body, joining)
            }
        }
    }

    private func submit(
        _ request: SessionInput, to reference: SessionReference, as participant: Participant?, _ body: JSONObject,
        joining: Joining?
    ) {
        let responseID = Identifier.make("resp_")
        do throws(APIError) {
            try admit(responseID, request.items, ResponseParameters(model: "", members: request.members))
        } catch {
            return refuse(error, body, joining)
        }
        var submit = request.submit(responseID, participant: participant, firstModel: services.modelNames.first)
        // Joined in the same iteration: a refusal leaves no listener behind.
        let reader = joining.flatMap { $0.made == nil ? $0.session : nil }
        submit.withStanding = reader != nil
        let refuse = { [self] (error: SessionError) in
            services.metering.abandon(responseID, now: loop.now)
            self.refuse(APIError(error), body, joining)
        }
        perform(.submit(submit), on: reference, for: body, reader: reader, orElse: refuse) {
            [self] (outcome) throws(SessionError) in
            let accepted = try outcome.accepted()
            if let joining {
                admitted(joining, accepted, body)
            } else {
                joined[reference.id]?.acknowledgements.delayEnd(untilSent: accepted.position.sequence)
            }
        }
    }

    /// Called when the input that joins a session has been accepted.
    private func admitted(_ joining: Joining, _ accepted: SessionOutcome.Accepted, _ body: JSONObject) {
        let session = joining.session
        guard session.isReading, let standing = joining.made ?? accepted.standing else {
            // The connection has ended, or the session was deleted. The input stays accepted.
            forget(session)
            if !hasEnded { fail(.sessionDeleted, for: body) }
            return joining.told()
        }
        if joining.made == nil { session.cover(after: standing.state.lastPosition.sequence) }
        session.decide()
        releaseWithheld()
        tell(session, standing, body) {
            session.acknowledgements.delayEnd(untilSent: accepted.position.sequence)
            joining.told()
        }
    }

    /// Refuses an input, and with it the join.
    private func refuse(_ error: APIError, _ body: JSONObject, _ joining: Joining?) {
        if let joining { abandon(joining) }
        fail(error, for: body)
        joining?.told()
    }

    private func abandon(_ joining: Joining) {
        joining.session.stop()
        if joining.made != nil { delete(joining.session.reference) }
        forget(joining.session)
    }

    /// Deletes a session that was created for an input and that the client was not told of.
    private func delete(_ session: SessionReference) { session.perform(.deleteSession, from: loop) { _ in } }

    // MARK: Cancelling

    func cancel(_ body: JSONObject) throws(APIError) {
        let responseID = try checked(try body.optionalString("response_id"))
        let sessionID = try checked(try body.optionalString("session_id"))
        let clientEventID = try checked(try body.optionalString("client_event_id"))
        let cancel = { [self] (reference: SessionReference) in
            let join = joined[reference.id].flatMap { $0.isUndecided ? nil : $0 }
            let cancel = SessionCommand.Cancel(
                responseID: responseID, by: join?.participant, clientEventID: clientEventID, answer: .standing)
            perform(.cancel(cancel), on: reference, for: body) { [self] (outcome) throws(SessionError) in
                let cancelled = try outcome.response()
                // A client that has joined the session gets the event from its log.
                if let join, joined[reference.id] === join {
                    join.acknowledgements.delayEnd(untilSent: cancelled.lastPosition.sequence)
                } else {
                    tellCancelled(cancelled.id, body)
                }
            }
        }
        if let responseID {
            findSession(ofResponse: responseID, for: body, cancel)
        } else if let sessionID {
            findSession(sessionID, for: body, cancel)
        } else {
            throw .invalid("'response_id' or 'session_id' is needed.", param: "response_id", code: "missing_required_parameter")
        }
    }

    private func tellCancelled(_ responseID: String, _ body: JSONObject) {
        sendText { output in
            output.appendJSONObject { event in
                event.field("type", "interject:cancelled")
                event.field("response_id", responseID)
                event.field("reason", Session.CancelReason.cancel.rawValue)
                event.null("participant")
                event.field("client_event_id", body["client_event_id"]?.string)
                if let id = body["stream_id"]?.string { event.field("stream_id", id) }
            }
        }
    }

    private static func participant(_ body: JSONObject) throws(RequestError) -> Participant? {
        let name = try body.optionalString("name")
        let role = try body.optionalString("role") ?? (name == nil ? "watcher" : "participant")
        switch role {
        case "watcher": return nil
        case "participant":
            guard let name else { throw .invalid("A participant needs a 'name'.", param: "name") }
            try Participant.check(name, param: "name")
            return Participant(name: name)
        default: throw .invalid("'role' must be 'participant' or 'watcher'.", param: "role")
        }
    }
}

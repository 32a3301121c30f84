import API
import Bytes
import HTTP
import JSON
import Network
import ResponsesWire
import SessionHosting
import Sessions

/// Our own commands: joining, speaking, cancelling. `Protocols/sessions.md`.
extension ResponsesSocket {
    func join(_ body: JSONObject) throws(APIError) {
        guard let id = try checked(try body.optionalString("session_id")) else {
            throw .invalid("'session_id' is missing.", param: "session_id", code: "missing_required_parameter")
        }
        let participant = try checked(try Self.participant(body))
        let after = try checked(try body.optionalPosition("starting_after"))
        findSession(id, for: body) { [self] (reference) throws(APIError) in
            try join(reference, participant: participant, after: after, body) {}
        }
    }

    /// - Parameter then: called when the session is joined.
    private func join(
        _ reference: SessionReference, participant: Participant?, after: LogPosition?, _ body: JSONObject,
        then: @escaping () -> Void
    ) throws(APIError) {
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
        let refuse = { [weak self] (error: SessionError) in
            self?.joined[reference.id] = nil
            self?.fail(APIError(error), for: body)
        }
        let join = SessionCommand.Join(participant: participant, after: after)
        perform(.join(join), on: reference, for: body, reader: session, orElse: refuse) {
            [weak self] (outcome) throws(SessionError) in
            let (standing, start) = try outcome.joined()
            let state = standing.state
            guard let self else { return }
            // From here on its events are the join's, also those that come while the state is being encoded.
            session.cover(after: start.sequence)
            self.encode(state, { Self.joined($0, participant, for: body) }) { [weak self] encoded in
                guard let self, self.isOpen else { return }
                // It may have been deleted meanwhile, and the client was told that it has left.
                guard self.joined[reference.id] === session else { return self.fail(.sessionDeleted, for: body) }
                encoded.withUnsafeBytes { self.send(text: $0) }
                session.open()
                then()
            }
        }
    }

    /// Encodes what tells of a state, off the loop if it is large. What happens in the session waits with those who have joined it.
    /// - Parameter then: called on the loop.
    private func encode(
        _ state: SessionState, _ event: @escaping @Sendable (SessionState) -> [UInt8], then: @escaping ([UInt8]) -> Void
    ) {
        guard state.isLarge else { return then(event(state)) }
        holdCommands()
        WorkerPool.shared.runAnyway(for: owner, on: loop) {
            event(state)
        } then: { [self] encoded in
            defer { releaseCommands() }
            then(encoded)
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
        guard let id = try checked(try body.optionalString("session_id")), let session = joined.removeValue(forKey: id) else {
            throw .invalid("This connection has not joined that session.", param: "session_id", code: "not_joined")
        }
        session.leave()
        send("interject:left", for: body) { $0.field("session_id", id) }
    }

    func input(_ body: JSONObject, _ request: SessionInput) throws(APIError) {
        guard let id = try checked(try body.optionalString("session_id")) else {
            let participant = try checked(try Self.participant(body))
            if let model = request.model { return try begin(request, model: model, participant, body) }
            services.modelNames.first(on: loop) { [weak self] model in
                guard let self, self.isOpen else { return }
                do throws(APIError) {
                    try self.begin(request, model: model ?? "", participant, body)
                } catch {
                    self.fail(error, for: body)
                }
            }
            return
        }
        findSession(id, for: body) { [self] (reference) throws(APIError) in
            if joined[id] == nil {
                // Who speaks wants to hear the answer.
                try join(reference, participant: nil, after: nil, body) { [weak self] in self?.speak(request, in: reference, body) }
            } else {
                speak(request, in: reference, body)
            }
        }
    }

    /// Makes a session for an input that names none.
    private func begin(
        _ request: SessionInput, model: String, _ participant: Participant?, _ body: JSONObject
    ) throws(APIError) {
        let defaults = ResponseParameters(model: model, instructions: request.instructions, members: request.members)
        let reference = services.sessions(placedFrom: loop).makeSession(
            owner: owner, defaults: defaults, policy: request.policy ?? .grace(.seconds(30)))
        try join(reference, participant: participant, after: .start, body) { [weak self] in
            self?.speak(request, in: reference, body)
        }
    }

    private func speak(_ request: SessionInput, in reference: SessionReference, _ body: JSONObject) {
        let speaker = joined[reference.id]?.participant?.name ?? request.participantName
        guard let speaker, request.isLarge, request.speaker != speaker else { return submit(request, to: reference, body) }
        holdCommands()
        WorkerPool.shared.run(for: owner, on: loop) {
            request.spoken(by: speaker)
        } then: { [self] spoken in
            defer { releaseCommands() }
            guard isOpen else { return }
            if let spoken { submit(spoken, to: reference, body) } else { fail(.overloaded, for: body) }
        }
    }

    private func submit(_ request: SessionInput, to reference: SessionReference, _ body: JSONObject) {
        let services = services
        let responseID = Identifier.make("resp_")
        do throws(APIError) {
            try admit(responseID, request.items, ResponseParameters(model: "", members: request.members))
        } catch {
            fail(error, for: body)
            return
        }
        let submit = request.submit(
            responseID, participant: joined[reference.id]?.participant, firstModel: services.modelNames.first)
        let refuse = { [weak self] (error: SessionError) in
            services.metering.abandon(responseID, now: Instant.monotonicNow)
            self?.fail(APIError(error), for: body)
        }
        perform(.submit(submit), on: reference, for: body, orElse: refuse) { (outcome) throws(SessionError) in
            _ = try outcome.accepted()
        }
    }

    func cancel(_ body: JSONObject) throws(APIError) {
        let responseID = try checked(try body.optionalString("response_id"))
        let sessionID = try checked(try body.optionalString("session_id"))
        let clientEventID = try checked(try body.optionalString("client_event_id"))
        let cancel = { [self] (reference: SessionReference) in
            let cancel = SessionCommand.Cancel(
                responseID: responseID, by: joined[reference.id]?.participant, clientEventID: clientEventID)
            perform(.cancel(cancel), on: reference, for: body) { (outcome) throws(SessionError) in try outcome.done() }
        }
        if let responseID {
            findSession(ofResponse: responseID, for: body, cancel)
        } else if let sessionID {
            findSession(sessionID, for: body, cancel)
        } else {
            throw .invalid("'response_id' or 'session_id' is needed.", param: "response_id", code: "missing_required_parameter")
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

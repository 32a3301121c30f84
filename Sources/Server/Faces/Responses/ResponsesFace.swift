import Bytes
import HTTP
import JSON
import Network
import Sessions

/// OpenAI's Responses API over HTTP: `Protocols/responses.md`.
enum ResponsesFace {
    /// `POST /v1/responses`
    static func create(_ call: Call) throws(APIError) {
        try call.read { (body) throws(APIError) in
            try ResponsesRequest(body).prepared()
        } then: { (call, request) throws(APIError) in
            try create(call, request)
        }
    }

    private static func create(_ call: Call, _ request: ResponsesRequest) throws(APIError) {
        var request = request
        let policy = try call.disconnectPolicy(request.extensions, default: .cancel)
        let cutForm = try call.cutForm(request.extensions)
        // What is said of it holds for the session that is made for it, too.
        if call.request.fields[DisconnectPolicy.headerName] != nil { request.extensions.policy = policy }
        var input = Input(items: request.items, parameters: request.parameters, policy: policy)
        // OpenAI's own verbs wait their turn, as its clients expect, unless they say otherwise.
        input.encoded = request.encoded
        input.mode = request.extensions.mode ?? .queue
        let responseID = call.onceResponseID ?? Identifier.make("resp_")
        input.responseID = responseID
        input.isWarmUp = request.isWarmUp
        try call.admit(responseID, input.items, input.parameters)
        let isStored = request.isStored
        let reader: EventReader?
        let started: (Submission.Outcome) -> Void
        let refuse: (APIError) -> Void
        if request.isStream {
            let stream = ResponseStream(call, responseID: responseID, cutForm: cutForm, holdsStatus: true)
            (reader, refuse) = (stream, stream.fail)
            started = { stream.sessionID = $0.session.id }
        } else if request.isBackground {
            (reader, refuse) = (nil, call.fail)
            started = { call.respond(pollable: $0.response ?? [], sessionID: $0.session.id, isRunning: true, age: 0) }
        } else {
            let collector = ResponseCollector(call, responseID: responseID, cutForm: cutForm)
            (reader, refuse, started) = (collector, collector.fail, { _ in })
        }
        let fail = { (error: APIError) in
            call.abandon(responseID)
            refuse(error)
        }
        target(of: request, owner: call.owner, loop: call.loop, context: call.context) { target in
            switch target {
            case .failure(let error): fail(error)
            case .success(let target):
                Submission(
                    target: target, input: input, isStored: isStored, isDurable: isStored, describe: reader == nil ? json : nil
                )
                .submit(from: call.loop, context: call.context, reader: reader) { result in
                    switch result {
                    case .success(let outcome): started(outcome)
                    case .failure(let error): fail(error)
                    }
                }
            }
        }
    }

    /// The conversation that a request belongs to.
    /// - Parameter then: called on `loop`, at once when the conversation is in memory.
    static func target(
        of request: ResponsesRequest, owner: String, loop: EventLoop, context: ServerContext, isDurable: Bool = true,
        then: @escaping (Result<Submission.Target, APIError>) -> Void
    ) {
        if let previous = request.previousResponseID {
            context.find(response: previous, owner: owner, from: loop) { result in
                then(
                    result.flatMap { session in
                        session.map { .success(.continuation(of: previous, in: $0)) }
                            ?? .failure(.previousResponseNotFound(previous))
                    })
            }
        } else if let sessionID = request.extensions.sessionID {
            context.find(session: sessionID, owner: owner, from: loop) { result in
                then(
                    result.flatMap { session in
                        session.map { .success(.session($0)) }
                            ?? .failure(.notFound("session", id: sessionID, code: "session_not_found"))
                    })
            }
        } else {
            let session = context.sessions(on: loop).makeSession(
                owner: owner, defaults: request.parameters, policy: request.extensions.policy ?? .continuing,
                isEphemeral: !request.isStored, isDurable: isDurable)
            then(.success(.session(session)))
        }
    }

    /// `GET /v1/responses/{id}`, as it stands or as a stream.
    static func retrieve(_ call: Call, id: String) throws(APIError) {
        let cutForm = try call.cutForm()
        guard call.query["stream"] == "true" else {
            let wait = try call.count("wait", default: 0, max: 60)
            call.withSession(ofResponse: id) { poll(call, id: id, of: $0, cutForm: cutForm, wait: .seconds(wait)) }
            return
        }
        let after = try call.query["starting_after"].map { (text) throws(APIError) in
            if text == "-1" { return ResponseStream.all }
            guard let position = LogPosition(text) else {
                throw .invalid("'starting_after' must be a whole number.", param: "starting_after")
            }
            return position
        }
        call.withSession(ofResponse: id) { session in
            if call.isHead {
                EventStream.answerHead(call, fields: [("Interject-Session", session.id)])
            } else {
                replay(call, id: id, of: session, cutForm: cutForm, after: after ?? ResponseStream.all)
            }
        }
    }

    /// What a call began that was sent before: from its start, or whole once it is there.
    static func replay(_ call: Call, id: String) throws(APIError) {
        let body = try call.jsonBody()
        let isStream = try body.optionalBool("stream") == true
        let isBackground = try body.optionalBool("background") == true
        let cutForm = try call.cutForm(InterjectMembers(body["interject"]))
        call.withSession(ofResponse: id) { session in
            if isStream {
                replay(call, id: id, of: session, cutForm: cutForm, after: ResponseStream.all)
            } else if isBackground {
                poll(call, id: id, of: session, cutForm: cutForm, wait: .zero)
            } else {
                collect(call, id: id, of: session, cutForm: cutForm)
            }
        }
    }

    /// The response whole, once it has ended.
    private static func collect(_ call: Call, id: String, of session: SessionReference, cutForm: CutForm) {
        let collector = ResponseCollector(call, responseID: id, cutForm: cutForm)
        let cursor = collector.makeCursor(for: session)
        session.perform(from: call.loop, orElse: collector.fail) { session -> Result<[UInt8]?, APIError> in
            guard let generation = session.generations.last(where: { $0.id == id }) else { return .failure(notFound(id)) }
            if generation.status.isTerminal { return .success(json(generation)) }
            do throws(SessionError) {
                try session.attach(cursor.value, after: session.log.lastPosition)
                return .success(nil)
            } catch {
                return .failure(APIError(error))
            }
        } then: { result in
            switch result {
            case .success(nil): break
            case .success(let json?):
                collector.stop()
                call.respond(json: cutForm.retold(response: json), fields: [("Interject-Session", session.id)])
            case .failure(let error): collector.fail(error)
            }
        }
    }

    /// What comes of a stream of events that were.
    private enum Replay {
        /// The client has seen the end.
        case ended
        case begins
        /// It begins when what the client has was looked at, which may be none of ours.
        case isChecked
    }

    /// The events of a response after `sequence_number` `after`: those that were, and those to come.
    private static func replay(_ call: Call, id: String, of session: SessionReference, cutForm: CutForm, after: LogPosition) {
        let stream = ResponseStream(call, responseID: id, startingAfter: after, cutForm: cutForm, holdsStatus: false)
        let cursor = stream.makeCursor(for: session)
        session.perform(from: call.loop, orElse: stream.fail) { session -> Result<Replay, APIError> in
            guard let generation = session.generations.last(where: { $0.id == id }) else { return .failure(notFound(id)) }
            let first = generation.firstSequence ?? session.log.lastPosition + 1
            let epochs = session.log.epochs
            guard epochs.contains(after.epoch) else { return .failure(ResponseStream.eventsExpired(of: id)) }
            let isCut = epochs.epoch(of: first) != epochs.current
            if isCut {
                // Its end may be another than the client has seen, and an event that the client has may be none of ours.
                if after.sequence >= generation.eventCount { return .failure(ResponseStream.eventsExpired(of: id)) }
            } else if generation.status.isTerminal, generation.eventCount - 1 <= after.sequence {
                // Somebody who has seen the end comes back: there is nothing to wait for.
                return .success(.ended)
            }
            do throws(SessionError) {
                var start = first - 1
                // What the client has may be gone.
                if !session.log.canProvideAll(after: start),
                    session.log.holdsAll(of: generation.header, afterResponseSequence: after.sequence)
                {
                    start = session.log.oldestPosition - 1
                }
                try session.attach(cursor.value, after: start)
                return .success(isCut && after != ResponseStream.all ? .isChecked : .begins)
            } catch {
                return .failure(APIError(error))
            }
        } then: { result in
            switch result {
            case .success(.isChecked): break
            case .success(.begins):
                // The events that the log had came within the call, and have begun the stream, or come after it.
                stream.begin(sessionID: session.id)
            case .success(.ended):
                stream.begin(sessionID: session.id)
                stream.end()
            case .failure(let error): stream.fail(error)
            }
        }
    }

    /// `POST /v1/responses/{id}/cancel`: of one that has ended, the response as it ended. Always as it is: who cancels knows of it.
    static func cancel(_ call: Call, id: String) throws(APIError) {
        call.withSession(ofResponse: id) { session in
            session.perform(from: call.loop, orElse: call.fail) { session in
                _ = try? session.cancel(responseID: id, by: nil)
                return session.generations.last { $0.id == id }.map(Self.json)
            } then: { json in
                if let json { call.respond(json: json) } else { call.fail(notFound(id)) }
            }
        }
    }

    /// `POST /v1/responses/{id}/steer`
    static func steer(_ call: Call, id: String) throws(APIError) {
        try call.read { (body) throws(APIError) in
            guard let value = body["input"] else { throw .invalid("'input' is missing.", param: "input") }
            return (items: try InputItems.parse(value), extensions: try InterjectMembers(body["interject"]))
        } then: { (call, request) throws(APIError) in
            // Nobody is bound to the successor by a connection yet: without a word on it, it goes on unheard.
            let policy = try call.disconnectPolicy(request.extensions, default: .continuing)
            call.withSession(ofResponse: id) { (session) throws(APIError) in
                try steer(call, id: id, in: session, request.items, policy)
            }
        }
    }

    private static func steer(
        _ call: Call, id: String, in reference: SessionReference, _ items: [Item], _ policy: DisconnectPolicy
    ) throws(APIError) {
        let context = call.context
        let successor = Identifier.make("resp_")
        try call.admit(successor, items, ResponseParameters(model: ""))
        reference.perform(from: call.loop, withdraw: { session, _ in session.withdraw(responseID: successor) }, orElse: call.fail) {
            session -> Result<Submission.Outcome, APIError> in
            guard let running = session.active, running.id == id else {
                return .failure(APIError(.responseNotActive(responseID: id)))
            }
            var input = Input(items: items, mode: .steer, parameters: running.parameters, policy: policy)
            input.steer = Input.Steer(responseID: id)
            input.responseID = successor
            do throws(SessionError) {
                let acceptance = try context.sessions(on: reference.loop).submit(input, to: session)
                return .success(Submission.Outcome(acceptance, in: reference))
            } catch {
                return .failure(APIError(error))
            }
        } then: { result in
            if case .failure = result { call.abandon(successor) }
            SessionsFace.answer(call, result, clientEventID: nil)
        }
    }

    static func json(_ generation: Generation) -> [UInt8] {
        var buffer = ByteBuffer()
        buffer.appendJSONObject { generation.write(to: &$0) }
        return buffer.array
    }

    static func notFound(_ id: String) -> APIError { .notFound("response", id: id, code: "response_not_found") }
}

extension Call {
    /// How long a response whose command has a name goes on without a listener.
    static let onceGrace = Duration.seconds(30)

    /// The policy by body, header or default.
    func disconnectPolicy(_ members: InterjectMembers, default missing: DisconnectPolicy) throws(APIError) -> DisconnectPolicy {
        if let policy = members.policy { return policy }
        guard let text = request.fields[DisconnectPolicy.headerName] else {
            // Who names a command will come back for it when the connection breaks.
            return onceResponseID != nil && missing == .cancel ? .grace(Self.onceGrace) : missing
        }
        return try DisconnectPolicy.parse(text, param: "Interject-On-Disconnect")
    }
}

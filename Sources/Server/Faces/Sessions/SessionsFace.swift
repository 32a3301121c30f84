import Bytes
import HTTP
import JSON
import Network
import Sessions

/// Sessions over plain HTTP: `Protocols/sessions.md`.
enum SessionsFace {
    /// `POST /v1/sessions`
    static func create(_ call: Call) throws(APIError) {
        try call.read(isOptional: true) { (body) throws(APIError) in
            try RequestBounds.check(body)
            return body
        } then: { (call, body) throws(APIError) in
            try create(call, body)
        }
    }

    private static func create(_ call: Call, _ body: JSONObject) throws(APIError) {
        let extensions = try InterjectMembers(body)
        let metadata = try body.optionalObject("metadata") ?? [:]
        let instructions = try body.optionalString("instructions")
        if let model = try body.optionalString("model"), !model.isEmpty {
            make(call, ResponseParameters(model: model, instructions: instructions), extensions, metadata)
        } else {
            call.context.modelNames.first(on: call.loop) { model in
                make(call, ResponseParameters(model: model ?? "", instructions: instructions), extensions, metadata)
            }
        }
    }

    private static func make(_ call: Call, _ defaults: ResponseParameters, _ extensions: InterjectMembers, _ metadata: JSONObject) {
        let reference = call.context.sessions(on: call.loop).makeSession(
            owner: call.owner, defaults: defaults, mode: extensions.mode ?? .interrupt, policy: extensions.policy ?? .continuing,
            metadata: .object(metadata))
        reference.perform(from: call.loop, orElse: call.fail) {
            $0.stateJSON()
        } then: {
            call.respond(.created, json: $0, fields: [("Interject-Session", reference.id)])
        }
    }

    /// `GET /v1/sessions`
    static func list(_ call: Call) throws(APIError) {
        let limit = max(1, try call.count("limit", default: 20, max: 100))
        let listing = SessionListing(call, limit: limit, after: call.query["after"])
        listing.start()
    }

    /// `GET /v1/sessions/{id}/events`: as a stream, or what is there now.
    static func events(_ call: Call, id: String) throws(APIError) {
        let after = try position(call)
        let mergesDeltas = try mergesDeltas(call.query["merge"])
        if wantsJSON(call) {
            let limit = max(1, try call.count("limit", default: 1000, max: 10_000))
            let wait = try call.count("wait", default: 0, max: 60)
            call.withSession(id) { session in
                page(call, of: session, after: after, limit: limit, mergesDeltas: mergesDeltas, wait: .seconds(wait))
            }
        } else if call.isHead {
            call.withSession(id) { EventStream.answerHead(call, fields: [("Interject-Session", $0.id)]) }
        } else {
            let stream = SessionStream(
                call, sessionID: id, catchUp: CatchUp(whenPlaceIsGone: .snapshot, mergesDeltas: mergesDeltas))
            call.withSession(id) { session in
                attach(stream, to: session, after: after, call) { error in
                    if let error { call.fail(error) } else { stream.begin() }
                }
            }
        }
    }

    private static func page(
        _ call: Call, of session: SessionReference, after: LogPosition, limit: Int, mergesDeltas: Bool, wait: Duration
    ) {
        session.performLater(from: call.loop) { session, answer in
            // Who polls is no listener that could leave, but one who has come back after a restart.
            session.listenerReturned()
            EventPage.read(session, after: after, limit: limit, mergesDeltas: mergesDeltas, then: answer)
        } then: { (result: Result<EventPage, APIError>) in
            let page: EventPage
            switch result {
            case .success(let read): page = read
            case .failure(let error): return call.fail(error)
            }
            guard page.isEmpty, wait > .zero else {
                call.compute(ifLarge: page.isLarge) {
                    page.json
                } then: {
                    call.respond(json: $0)
                }
                return
            }
            let waiter = EventWaiter(loop: call.loop, timeout: wait) {
                self.page(call, of: session, after: after, limit: limit, mergesDeltas: mergesDeltas, wait: .zero)
            }
            call.exchange.onDisconnect = { waiter.cancel() }
            attach(waiter, to: session, after: after, listens: false, call) { error in
                guard let error else { return }
                waiter.cancel()
                call.fail(error)
            }
        }
    }

    /// `POST /v1/sessions/{id}/input`
    static func input(_ call: Call, id: String) throws(APIError) {
        try call.read { (body) throws(APIError) in
            let request = try SessionInput(body)
            return request.participantName.map(request.spoken(by:)) ?? request.prepared()
        } then: { (call, request) throws(APIError) in
            try input(call, id: id, request)
        }
    }

    private static func input(_ call: Call, id: String, _ request: SessionInput) throws(APIError) {
        let context = call.context
        let responseID = Identifier.make("resp_")
        call.withSession(id) { (reference) throws(APIError) in
            try call.admit(responseID, request.items, ResponseParameters(model: "", members: request.members))
            reference.perform(
                from: call.loop, withdraw: { session, _ in session.withdraw(responseID: responseID) }, orElse: call.fail
            ) { session -> Result<Submission.Outcome, APIError> in
                do throws(APIError) {
                    var input = try request.command(for: session, participant: nil, firstModel: context.modelNames.first)
                    input.responseID = responseID
                    return .success(try submit(input, to: session, reference, context))
                } catch {
                    return .failure(error)
                }
            } then: { result in
                if case .failure = result { call.abandon(responseID) }
                answer(call, result, clientEventID: request.clientEventID)
            }
        }
    }

    /// On the session's loop.
    static func submit(
        _ input: Input, to session: Session, _ reference: SessionReference, _ context: ServerContext
    ) throws(APIError) -> Submission.Outcome {
        try ToolRules(rejectsUnknown: context.configuration.rejectsUnknownTools).check(input.parameters)
        do {
            return Submission.Outcome(try context.sessions(on: reference.loop).submit(input, to: session), in: reference)
        } catch {
            throw APIError(error)
        }
    }

    /// 202, once the input stands in the log.
    static func answer(_ call: Call, _ result: Result<Submission.Outcome, APIError>, clientEventID: String?) {
        switch result {
        case .failure(let error): call.fail(error)
        case .success(let outcome):
            call.respond(.accepted, fields: [("Interject-Session", outcome.session.id)]) { object in
                object.field("object", "interject.input")
                object.field("session_id", outcome.session.id)
                object.field("sequence", outcome.position.sequence)
                object.field(epochOf: outcome.position)
                object.field("mode", outcome.mode?.rawValue ?? "none")
                object.field("response_id", outcome.responseID)
                if let interrupted = outcome.interrupted {
                    object.object("interrupted") { interrupted.write(to: &$0) }
                } else {
                    object.null("interrupted")
                }
                object.field("client_event_id", clientEventID)
            }
        }
    }

    /// `POST /v1/sessions/{id}/cancel`
    static func cancel(_ call: Call, id: String) throws(APIError) {
        let dropsQueued = call.query["queued"] == "drop"
        call.withSession(id) { session in
            session.perform(from: call.loop, orElse: call.fail) { session -> Result<[UInt8], APIError> in
                if dropsQueued { session.dropQueued() }
                do throws(SessionError) {
                    return .success(ResponsesFace.json(try session.cancel(by: nil)))
                } catch {
                    return .failure(APIError(error))
                }
            } then: { result in
                switch result {
                case .success(let json): call.respond(json: json)
                case .failure(let error): call.fail(error)
                }
            }
        }
    }

    /// `DELETE /v1/sessions/{id}`
    static func delete(_ call: Call, id: String) throws(APIError) {
        let context = call.context
        call.withSession(id) { reference in
            reference.perform(from: call.loop, orElse: call.fail) { session in
                context.sessions(on: reference.loop).forget(session)
                return true
            } then: { _ in
                call.respond { object in
                    object.field("id", id)
                    object.field("object", "session")
                    object.field("deleted", true)
                }
            }
        }
    }

    // MARK: Parts

    static func attach(
        _ reader: EventReader, to session: SessionReference, after: LogPosition, listens: Bool = true, _ call: Call,
        then: @escaping (APIError?) -> Void
    ) {
        let cursor = reader.makeCursor(for: session, listens: listens)
        let fail = { (error: APIError) in
            reader.stop()
            then(error)
        }
        session.perform(from: call.loop, orElse: fail) { session -> APIError? in
            do throws(SessionError) {
                try session.attach(cursor.value, after: session.log.sequence(of: after))
                // Who polls with `wait` is no listener that could leave, but one who has come back after a restart.
                if !listens { session.listenerReturned() }
                return nil
            } catch {
                return APIError(error)
            }
        } then: { error in
            if let error { fail(error) } else { then(nil) }
        }
    }

    /// Where a reader goes on. EventSource sends the header by itself when it connects again, so the header is the newest word.
    private static func position(_ call: Call) throws(APIError) -> LogPosition {
        let text = call.request.fields["last-event-id"] ?? call.query["last_event_id"] ?? call.query["starting_after"]
        guard let text, !text.isEmpty else { return .start }
        guard let position = LogPosition(text) else {
            throw .invalid("The position must be a session sequence number, as in 'id:'.", param: "starting_after")
        }
        return position
    }

    /// `merge=deltas`: a reader that lags gets adjacent deltas of one item as one event.
    static func mergesDeltas(_ text: String?) throws(APIError) -> Bool {
        guard let text else { return false }
        guard text == "deltas" else {
            throw .invalid("'merge' must be 'deltas', or left out.", param: "merge", code: "invalid_value")
        }
        return true
    }

    /// EventSource, curl and browsers get the stream; JSON is for those who want it more.
    private static func wantsJSON(_ call: Call) -> Bool {
        call.request.fields.prefers("application/json", over: "text/event-stream")
    }
}

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
        let reference = call.context.sessions(placedFrom: call.loop).makeSession(
            owner: call.owner, defaults: defaults, mode: extensions.mode ?? .interrupt, policy: extensions.policy ?? .continuing,
            metadata: .object(metadata))
        call.perform(.readState, on: reference) { (outcome) throws(SessionError) in
            call.respond(.created, json: try outcome.state().state.json, fields: [("Interject-Session", reference.id)])
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
            call.findSession(id) { session in
                page(call, of: session, after: after, limit: limit, mergesDeltas: mergesDeltas, wait: .seconds(wait))
            }
        } else if call.isHead {
            call.findSession(id) { EventStream.answerHead(call, fields: [("Interject-Session", $0.id)]) }
        } else {
            let stream = SessionStream(
                call, sessionID: id, catchUp: CatchUp(whenPlaceIsGone: .snapshot, mergesDeltas: mergesDeltas))
            call.findSession(id) { session in
                call.perform(.follow(.after(after)), on: session, reader: stream, orElse: stream.fail) {
                    (outcome) throws(SessionError) in
                    _ = try outcome.following()
                    stream.begin()
                }
            }
        }
    }

    private static func page(
        _ call: Call, of session: SessionReference, after: LogPosition, limit: Int, mergesDeltas: Bool, wait: Duration
    ) {
        session.readEvents(after: after, limit: limit, mergesDeltas: mergesDeltas, from: call.loop) { result in
            let page: EventPage
            switch result {
            case .success(let read): page = EventPage(read, sessionID: session.id)
            case .failure(let error): return call.fail(APIError(error))
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
            let fail = { (error: APIError) in
                waiter.cancel()
                call.fail(error)
            }
            call.perform(.follow(.after(after)), on: session, reader: waiter, listens: false, orElse: fail) {
                (outcome) throws(SessionError) in
                _ = try outcome.following()
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
        call.findSession(id) { (reference) throws(APIError) in
            try call.admit(responseID, request.items, ResponseParameters(model: "", members: request.members))
            let submit = request.submit(responseID, participant: nil, firstModel: context.modelNames.first)
            reference.perform(.submit(submit), from: call.loop) { outcome in
                if outcome.isRefusal { call.abandon(responseID) }
                answer(call, outcome, clientEventID: request.clientEventID)
            }
        }
    }

    /// 202, once the input stands in the log.
    static func answer(_ call: Call, _ outcome: SessionOutcome, clientEventID: String?) {
        let accepted: SessionOutcome.Accepted
        do throws(SessionError) {
            accepted = try outcome.accepted()
        } catch {
            return call.fail(APIError(error))
        }
        call.respond(.accepted, fields: [("Interject-Session", accepted.sessionID)]) { object in
            object.field("object", "interject.input")
            object.field("session_id", accepted.sessionID)
            object.field("sequence", accepted.position.sequence)
            object.field(epochOf: accepted.position)
            object.field("mode", accepted.mode?.rawValue ?? "none")
            object.field("response_id", accepted.responseID)
            if let interrupted = accepted.interrupted {
                object.object("interrupted") { interrupted.write(to: &$0) }
            } else {
                object.null("interrupted")
            }
            object.field("client_event_id", clientEventID)
        }
    }

    /// `POST /v1/sessions/{id}/cancel`
    static func cancel(_ call: Call, id: String) throws(APIError) {
        let cancel = SessionCommand.Cancel(dropsQueued: call.query["queued"] == "drop", answer: .object)
        call.findSession(id) { session in
            call.perform(.cancel(cancel), on: session) { (outcome) throws(SessionError) in
                call.respond(json: try outcome.response().object ?? [])
            }
        }
    }

    /// `DELETE /v1/sessions/{id}`
    static func delete(_ call: Call, id: String) throws(APIError) {
        call.findSession(id) { session in
            call.perform(.deleteSession, on: session) { (outcome) throws(SessionError) in
                try outcome.done()
                call.respond { object in
                    object.field("id", id)
                    object.field("object", "session")
                    object.field("deleted", true)
                }
            }
        }
    }

    // MARK: Parts

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

import API
import Bytes
import HTTP
import JSON
import Network
import ResponsesWire
import SessionHosting
import Sessions

/// Sessions over plain HTTP: `Protocols/sessions.md`.
package enum SessionsFace {
    /// `POST /v1/sessions`
    static func create(_ call: Call) throws(APIError) {
        try call.read(isOptional: true) { (body) throws(RequestError) in
            try NewSession(body)
        } then: { (call, new) in
            if let model = new.model {
                make(call, new, model: model)
            } else {
                call.services.modelNames.first(on: call.loop) { make(call, new, model: $0 ?? "") }
            }
        }
    }

    private static func make(_ call: Call, _ new: NewSession, model: String) {
        let defaults = ResponseParameters(model: model, instructions: new.instructions)
        let reference = call.services.sessions(placedFrom: call.loop).makeSession(
            owner: call.owner, defaults: defaults, mode: new.mode, policy: new.policy, metadata: .object(new.metadata))
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

    /// `GET /v1/sessions/{id}/events`: a stream, or the events that are there now.
    static func events(_ call: Call, id: String) throws(APIError) {
        let after = try position(call)
        let mergesDeltas = try checked(try CatchUp.mergesDeltas(call.query["merge"]))
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
            call.wait(for: .anyEvent, of: session, after: after, wait) {
                self.page(call, of: session, after: after, limit: limit, mergesDeltas: mergesDeltas, wait: .zero)
            }
        }
    }

    /// `POST /v1/sessions/{id}/input`
    static func input(_ call: Call, id: String) throws(APIError) {
        try call.read { (body) throws(RequestError) in
            let request = try SessionInput(body)
            return request.participantName.map(request.spoken(by:)) ?? request.prepared()
        } then: { (call, request) throws(APIError) in
            try input(call, id: id, request)
        }
    }

    private static func input(_ call: Call, id: String, _ request: SessionInput) throws(APIError) {
        let services = call.services
        let responseID = Identifier.make("resp_")
        call.findSession(id) { (reference) throws(APIError) in
            try call.admit(responseID, request.items, ResponseParameters(model: "", members: request.members))
            let submit = request.submit(responseID, participant: nil, firstModel: services.modelNames.first)
            reference.perform(.submit(submit), from: call.loop) { outcome in
                if outcome.isRefusal { call.abandon(responseID) }
                call.respond(accepting: outcome, clientEventID: request.clientEventID)
            }
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

    // MARK: Helpers

    /// The position after which a reader continues. EventSource sends the header field when it reconnects, so that takes
    /// precedence.
    private static func position(_ call: Call) throws(APIError) -> LogPosition {
        // An empty one is none: HTML, "Server-sent events", last event ID string.
        if let text = call.request.fields["last-event-id"], !text.isEmpty { return try call.position(text, param: "Last-Event-ID") }
        if let text = call.query["last_event_id"], !text.isEmpty { return try call.position(text, param: "last_event_id") }
        guard let text = call.query["starting_after"] else { return .start }
        return try call.position(text, param: "starting_after")
    }

    /// EventSource, curl and browsers get the stream; JSON is for clients that prefer it.
    private static func wantsJSON(_ call: Call) -> Bool {
        call.request.fields.prefers("application/json", over: "text/event-stream")
    }
}

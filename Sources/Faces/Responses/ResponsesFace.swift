import API
import Bytes
import HTTP
import JSON
import Network
import ResponsesWire
import SessionHosting
import Sessions

/// OpenAI's Responses API over HTTP: `Protocols/responses.md`.
package enum ResponsesFace {
    /// `POST /v1/responses`
    static func create(_ call: Call) throws(APIError) {
        try call.read { (body) throws(RequestError) in
            try ResponsesRequest(body).prepared()
        } then: { (call, request) throws(APIError) in
            try create(call, request)
        }
    }

    private static func create(_ call: Call, _ request: ResponsesRequest) throws(APIError) {
        var request = request
        let policy = try call.disconnectPolicy(request.extensions, default: .cancel)
        let cutForm = try call.cutForm(request.extensions)
        // A policy in the header field also applies to a session that is created for the request.
        if call.namesDisconnectPolicy { request.extensions.policy = policy }
        let responseID = call.onceResponseID ?? Identifier.make("resp_")
        try call.admit(responseID, request.items, request.parameters)
        var submit = request.submit(responseID, policy: policy, isStored: request.isStored, isDurable: request.isStored)
        let reader: EventReader?
        let started: (SessionOutcome.Accepted) -> Void
        let refuse: (APIError) -> Void
        if request.isStream {
            let stream = ResponseStream(call, responseID: responseID, cutForm: cutForm, holdsStatus: true)
            (reader, refuse) = (stream, stream.fail)
            started = { stream.sessionID = $0.sessionID }
        } else if request.isBackground {
            (reader, refuse) = (nil, call.fail)
            submit.withObject = true
            started = { call.respond(pollable: $0.object ?? [], sessionID: $0.sessionID, isRunning: true, age: 0) }
        } else {
            let collector = ResponseCollector(call, responseID: responseID) { CollectedResponse($0, $1, in: cutForm) }
            (reader, refuse, started) = (collector, collector.fail, { _ in })
        }
        let fail = { (error: APIError) in
            call.abandon(responseID)
            refuse(error)
        }
        findSession(for: request, owner: call.owner, loop: call.loop, services: call.services) { [submit] result in
            switch result {
            case .failure(let error): fail(error)
            case .success(let session):
                call.perform(.submit(submit), on: session, reader: reader, orElse: fail) { (outcome) throws(SessionError) in
                    started(try outcome.accepted())
                }
            }
        }
    }

    /// Finds the session of the conversation that a request belongs to, or creates one.
    /// - Parameter then: called on `loop`, at once if the session is in memory.
    static func findSession(
        for request: ResponsesRequest, owner: String, loop: EventLoop, services: APIServices, isDurable: Bool = true,
        then: @escaping (Result<SessionReference, APIError>) -> Void
    ) {
        if let previous = request.previousResponseID {
            services.find(response: previous, owner: owner, from: loop) { result in
                then(
                    result.flatMap { session in
                        session.map { .success($0) } ?? .failure(APIError(.previousResponseNotFound(previous)))
                    })
            }
        } else if let sessionID = request.extensions.sessionID {
            services.find(session: sessionID, owner: owner, from: loop) { result in
                then(
                    result.flatMap { session in
                        session.map { .success($0) }
                            ?? .failure(.notFound("session", id: sessionID, code: "session_not_found"))
                    })
            }
        } else {
            let session = services.sessions(placedFrom: loop).makeSession(
                owner: owner, defaults: request.parameters, policy: request.extensions.policy ?? .continuing,
                isEphemeral: !request.isStored, isDurable: isDurable)
            then(.success(session))
        }
    }

    /// `GET /v1/responses/{id}`: the response in its current state, or a stream of its events.
    static func retrieve(_ call: Call, id: String) throws(APIError) {
        let cutForm = try call.cutForm()
        guard call.query["stream"] == "true" else {
            let wait = try call.count("wait", default: 0, max: 60)
            call.findSession(ofResponse: id) { poll(call, id: id, of: $0, cutForm: cutForm, wait: .seconds(wait)) }
            return
        }
        let after = try call.query["starting_after"].map { (text) throws(APIError) in
            // The `last_sequence_number` in `progress` of a response without events.
            text == "-1" ? ResponseStream.all : try call.position(text, param: "starting_after")
        }
        call.findSession(ofResponse: id) { session in
            if call.isHead {
                EventStream.answerHead(call, fields: [("Interject-Session", session.id)])
            } else {
                replay(call, id: id, of: session, cutForm: cutForm, after: after ?? ResponseStream.all)
            }
        }
    }

    /// Answers a call that repeats an idempotency key with the response that the first call began: streamed from its start, in its
    /// current state if it runs in the background, or whole once it has ended.
    static func replay(_ call: Call, id: String) throws(APIError) {
        let body = try call.jsonBody()
        let isStream = try checked(try body.optionalBool("stream")) == true
        let isBackground = try checked(try body.optionalBool("background")) == true
        let cutForm = try call.cutForm(try checked(try InterjectMembers(body["interject"])))
        call.findSession(ofResponse: id) { session in
            if isStream {
                replay(call, id: id, of: session, cutForm: cutForm, after: ResponseStream.all)
            } else if isBackground {
                poll(call, id: id, of: session, cutForm: cutForm, wait: .zero)
            } else {
                collect(call, id: id, of: session, cutForm: cutForm)
            }
        }
    }

    /// Answers with the whole response once it has ended.
    private static func collect(_ call: Call, id: String, of session: SessionReference, cutForm: CutForm) {
        let collector = ResponseCollector(call, responseID: id) { CollectedResponse($0, $1, in: cutForm) }
        call.perform(.follow(.endOfResponse(id: id)), on: session, reader: collector, orElse: collector.fail) {
            (outcome) throws(SessionError) in
            if case .following = outcome { return }
            let object = try outcome.response().object ?? []
            collector.stop()
            call.respond(json: cutForm.retold(response: object), fields: [("Interject-Session", session.id)])
        }
    }

    /// Streams the events of a response after `sequence_number` `after`, past and future.
    private static func replay(_ call: Call, id: String, of session: SessionReference, cutForm: CutForm, after: LogPosition) {
        let stream = ResponseStream(call, responseID: id, startingAfter: after, cutForm: cutForm, holdsStatus: false)
        call.perform(.follow(.response(id: id, after: after)), on: session, reader: stream, orElse: stream.fail) {
            (outcome) throws(SessionError) in
            switch try outcome.following() {
            // Whether the stream begins or fails depends on the events that the client says it has.
            case .unverified: break
            // Events from the log either arrived during the call and have begun the stream, or arrive after it.
            case .begun: stream.begin(sessionID: session.id)
            case .ended:
                stream.begin(sessionID: session.id)
                stream.end()
            }
        }
    }

    /// `POST /v1/responses/{id}/cancel`. A response that has already ended is returned as it ended. Always in native form: a client
    /// that cancels knows of the cut.
    static func cancel(_ call: Call, id: String) throws(APIError) {
        call.findSession(ofResponse: id) { session in
            let cancel = SessionCommand.Cancel(responseID: id, answer: .objectInAnyCase)
            call.perform(.cancel(cancel), on: session) { (outcome) throws(SessionError) in
                call.respond(json: try outcome.response().object ?? [])
            }
        }
    }

    /// `POST /v1/responses/{id}/steer`
    static func steer(_ call: Call, id: String) throws(APIError) {
        try call.read { (body) throws(RequestError) in
            (items: try InputItems.ofSteer(body), extensions: try InterjectMembers(body["interject"]))
        } then: { (call, request) throws(APIError) in
            // No connection follows the successor yet: by default, it continues without a listener.
            let policy = try call.disconnectPolicy(request.extensions, default: .continuing)
            call.findSession(ofResponse: id) { (session) throws(APIError) in
                try steer(call, id: id, in: session, request.items, policy)
            }
        }
    }

    private static func steer(
        _ call: Call, id: String, in reference: SessionReference, _ items: [Item], _ policy: DisconnectPolicy
    ) throws(APIError) {
        let successor = Identifier.make("resp_")
        try call.admit(successor, items, ResponseParameters(model: ""))
        let steer = SessionCommand.Steer(
            Input.Steer(responseID: id), items: items, successorID: successor, policy: policy, waitsForToolOutputs: false)
        reference.perform(.steer(steer), from: call.loop) { outcome in
            if outcome.isRefusal { call.abandon(successor) }
            switch outcome {
            // HTTP has a single error for a response that cannot be steered, whatever the reason.
            case .refused(.responseAlreadyCompleted), .refused(.responseNotFound):
                call.fail(APIError(.responseNotActive(responseID: id)))
            default: call.respond(accepting: outcome, clientEventID: nil)
            }
        }
    }
}

import API
import JSON
import Network
import ResponsesWire
import SessionHosting
import Sessions

/// OpenAI's Chat Completions API: `Protocols/chat-completions.md`. Each call is a session of its own, or an input to an existing
/// one.
package enum ChatFace {
    /// `POST /v1/chat/completions`
    static func create(_ call: Call) throws(APIError) {
        try call.read { (body) throws(RequestError) in
            try ChatRequest(body).prepared()
        } then: { (call, request) throws(APIError) in
            try create(call, request)
        }
    }

    private static func create(_ call: Call, _ request: ChatRequest) throws(APIError) {
        let policy = try call.disconnectPolicy(request.extensions, default: .cancel)
        let cutForm = try call.cutForm(request.extensions)
        let id = call.onceResponseID ?? Identifier.make("chatcmpl-")
        try call.admit(id, request.items, request.parameters)
        let command = request.submit(id, policy: policy)
        let completion = ChatCompletion(
            id: id, model: request.parameters.model, created: call.loop.unixTime, usesFunctions: request.usesFunctions,
            cutForm: cutForm)
        let reader: EventReader
        let refuse: (APIError) -> Void
        let found: (SessionReference) -> Void
        if request.isStream {
            let stream = ChatStream(call, completion, includesUsage: request.includesUsage)
            (reader, refuse) = (stream, stream.fail)
            found = { stream.sessionID = $0.id }
        } else {
            let collector = completion.collector(call)
            (reader, refuse, found) = (collector, collector.fail, { _ in })
        }
        let fail = { (error: APIError) in
            call.abandon(id)
            refuse(error)
        }
        // A named session decides for itself whether it is stored.
        let submit = { (target: SessionReference) in
            found(target)
            let refuse = { (error: APIError) in fail(ChatRequest.inItsWords(error)) }
            call.perform(.submit(command), on: target, reader: reader, orElse: refuse) { (outcome) throws(SessionError) in
                _ = try outcome.accepted()
            }
        }
        guard let sessionID = request.extensions.sessionID else {
            // As in OpenAI's API, a completion is stored only if requested; otherwise it stays in memory.
            submit(
                call.services.sessions(placedFrom: call.loop).makeSession(
                    owner: call.owner, defaults: request.parameters, isDurable: request.isStored))
            return
        }
        call.services.find(session: sessionID, owner: call.owner, from: call.loop) { result in
            switch result {
            case .failure(let error): fail(error)
            case .success(nil): fail(.notFound("session", id: sessionID, code: "session_not_found"))
            case .success(let session?): submit(session)
            }
        }
    }

    /// Replays the completion begun by an earlier call: streamed from its beginning, or whole once it is complete.
    static func replay(_ call: Call, id: String) throws(APIError) {
        try call.read { (body) throws(RequestError) in
            try ChatRequest(body)
        } then: { (call, request) throws(APIError) in
            let cutForm = try call.cutForm(request.extensions)
            call.findSession(ofResponse: id) { replay(call, request, id: id, of: $0, cutForm: cutForm) }
        }
    }

    private static func replay(
        _ call: Call, _ request: ChatRequest, id: String, of session: SessionReference, cutForm: CutForm
    ) {
        session.perform(.readResponse(id: id, withObject: false), from: call.loop) { outcome in
            do throws(SessionError) {
                replay(call, request, try outcome.response(), of: session, cutForm: cutForm)
            } catch {
                if case .responseNotFound = error { call.fail(notFound(id)) } else { call.fail(APIError(error)) }
            }
        }
    }

    private static func replay(
        _ call: Call, _ request: ChatRequest, _ response: ResponseStanding, of session: SessionReference, cutForm: CutForm
    ) {
        let completion = ChatCompletion(
            id: response.id, model: request.parameters.model, created: response.createdAt, usesFunctions: request.usesFunctions,
            cutForm: cutForm)
        let reader: EventReader
        let fail: (APIError) -> Void
        if request.isStream {
            let stream = ChatStream(call, completion, includesUsage: request.includesUsage)
            stream.sessionID = session.id
            (reader, fail) = (stream, stream.fail)
        } else {
            let collector = completion.collector(call)
            (reader, fail) = (collector, collector.fail)
        }
        call.perform(.follow(.after(response.precedingPosition)), on: session, reader: reader, orElse: fail) {
            (outcome) throws(SessionError) in
            _ = try outcome.following()
        }
    }

    private static func notFound(_ id: String) -> APIError { .notFound("completion", id: id, code: "response_not_found") }
}

extension ChatCompletion {
    /// Responds with the completion once it is complete.
    fileprivate func collector(_ call: Call) -> ResponseCollector {
        ResponseCollector(call, responseID: id, noun: "completion", read: collected)
    }
}

import JSON
import Network
import Sessions

/// OpenAI's Chat Completions API: `Protocols/chat-completions.md`. Each call is a session of its own, or an input to one.
enum ChatFace {
    /// `POST /v1/chat/completions`
    static func create(_ call: Call) throws(APIError) {
        try call.read { (body) throws(APIError) in
            try ChatRequest(body).prepared()
        } then: { (call, request) throws(APIError) in
            try create(call, request)
        }
    }

    private static func create(_ call: Call, _ request: ChatRequest) throws(APIError) {
        let policy = try call.disconnectPolicy(request.extensions, default: .cancel)
        let cutForm = try call.cutForm(request.extensions)
        var input = Input(items: request.items, parameters: request.parameters, policy: policy)
        input.encoded = request.encoded
        input.mode = request.extensions.mode ?? .queue
        let id = call.onceResponseID ?? Identifier.make("chatcmpl-")
        input.responseID = id
        try call.admit(id, input.items, input.parameters)
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
            let collector = ChatCollector(call, completion)
            (reader, refuse, found) = (collector, collector.fail, { _ in })
        }
        let fail = { (error: APIError) in
            call.abandon(id)
            refuse(error)
        }
        // A named session decides for itself what is kept.
        let submit = { (target: SessionReference) in
            found(target)
            Submission(target: .session(target), input: input)
                .submit(from: call.loop, context: call.context, reader: reader) { result in
                    if case .failure(let error) = result { fail(ChatRequest.inItsWords(error)) }
                }
        }
        guard let sessionID = request.extensions.sessionID else {
            // As with OpenAI, a completion is kept only if it says so; without that it stays in memory.
            submit(
                call.context.sessions(on: call.loop).makeSession(
                    owner: call.owner, defaults: request.parameters, isDurable: request.isStored))
            return
        }
        call.context.find(session: sessionID, owner: call.owner, from: call.loop) { result in
            switch result {
            case .failure(let error): fail(error)
            case .success(nil): fail(.notFound("session", id: sessionID, code: "session_not_found"))
            case .success(let session?): submit(session)
            }
        }
    }

    /// What a call began that was sent before: from its start, or whole once it is there.
    static func replay(_ call: Call, id: String) throws(APIError) {
        try call.read { (body) throws(APIError) in
            try ChatRequest(body)
        } then: { (call, request) throws(APIError) in
            let cutForm = try call.cutForm(request.extensions)
            call.withSession(ofResponse: id) { replay(call, request, id: id, of: $0, cutForm: cutForm) }
        }
    }

    private static func replay(
        _ call: Call, _ request: ChatRequest, id: String, of session: SessionReference, cutForm: CutForm
    ) {
        session.perform(from: call.loop, orElse: call.fail) { session in
            session.generations.last { $0.id == id }.map { ($0.createdAt, $0.firstSequence ?? session.log.lastPosition + 1) }
        } then: { found in
            guard let (created, first) = found else {
                call.fail(notFound(id))
                return
            }
            let completion = ChatCompletion(
                id: id, model: request.parameters.model, created: created, usesFunctions: request.usesFunctions, cutForm: cutForm)
            if request.isStream {
                let stream = ChatStream(call, completion, includesUsage: request.includesUsage)
                stream.sessionID = session.id
                attach(stream, to: session, after: first - 1, call) { stream.fail($0) }
            } else {
                let collector = ChatCollector(call, completion)
                attach(collector, to: session, after: first - 1, call) { collector.fail($0) }
            }
        }
    }

    private static func attach(
        _ reader: EventReader, to session: SessionReference, after: Int, _ call: Call, orElse fail: @escaping (APIError) -> Void
    ) {
        let cursor = reader.makeCursor(for: session)
        session.perform(from: call.loop, orElse: fail) { session -> APIError? in
            do throws(SessionError) {
                try session.attach(cursor.value, after: after)
                return nil
            } catch {
                return APIError(error)
            }
        } then: { error in
            if let error { fail(error) }
        }
    }

    private static func notFound(_ id: String) -> APIError { .notFound("completion", id: id, code: "response_not_found") }
}

import JSON
import Network
import Sessions

/// OpenAI's Chat Completions API: `Protocols/chat-completions.md`. Each call is a session of its own, or an input to one.
enum ChatFace {
    /// `POST /v1/chat/completions`
    static func create(_ call: Call) throws(APIError) {
        let request = try ChatRequest(try call.jsonBody())
        let policy = try call.disconnectPolicy(request.extensions, default: .cancel)
        var input = Input(items: request.items, parameters: request.parameters, policy: policy)
        input.mode = request.extensions.mode ?? .queue
        let id = call.onceResponseID ?? Identifier.make("chatcmpl-")
        input.responseID = id
        try call.admit(id, input.items, input.parameters)
        let target: SessionReference
        if let sessionID = request.extensions.sessionID {
            guard let session = call.context.directory.session(sessionID, owner: call.owner) else {
                call.abandon(id)
                throw .notFound("session", id: sessionID, code: "session_not_found")
            }
            target = session
        } else {
            target = call.context.sessions(on: call.loop).makeSession(owner: call.owner, defaults: request.parameters)
        }
        let submission = Submission(target: .session(target), input: input)
        let completion = ChatCompletion(id: id, model: request.parameters.model, created: call.loop.unixTime)
        if request.isStream {
            let stream = ChatStream(call, completion, includesUsage: request.includesUsage)
            stream.sessionID = target.id
            submission.submit(from: call.loop, context: call.context, reader: stream) { result in
                guard case .failure(let error) = result else { return }
                call.abandon(id)
                stream.fail(error)
            }
        } else {
            let collector = ChatCollector(call, completion)
            submission.submit(from: call.loop, context: call.context, reader: collector) { result in
                guard case .failure(let error) = result else { return }
                call.abandon(id)
                collector.fail(error)
            }
        }
    }

    /// What a call began that was sent before: from its start, or whole once it is there.
    static func replay(_ call: Call, id: String) throws(APIError) {
        let request = try ChatRequest(try call.jsonBody())
        guard let session = call.context.directory.session(ofResponse: id, owner: call.owner) else { throw notFound(id) }
        session.perform(from: call.loop) { session in
            session.generations.last { $0.id == id }.map { ($0.createdAt, $0.firstSequence ?? session.log.lastSequence + 1) }
        } then: { found in
            guard let (created, first) = found else {
                call.fail(notFound(id))
                return
            }
            let completion = ChatCompletion(id: id, model: request.parameters.model, created: created)
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
        session.perform(from: call.loop) { session -> APIError? in
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

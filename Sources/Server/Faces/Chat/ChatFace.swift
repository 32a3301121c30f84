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
        let id = Identifier.make("chatcmpl-")
        input.responseID = id
        let completion = ChatCompletion(id: id, model: request.parameters.model, created: call.loop.unixTime)
        let reader: EventReader
        let fail: (APIError) -> Void
        let found: (SessionReference) -> Void
        if request.isStream {
            let stream = ChatStream(call, completion, includesUsage: request.includesUsage)
            (reader, fail) = (stream, stream.fail)
            found = { stream.sessionID = $0.id }
        } else {
            let collector = ChatCollector(call, completion)
            (reader, fail, found) = (collector, collector.fail, { _ in })
        }
        // A named session decides for itself what is kept.
        let submit = { (target: SessionReference) in
            found(target)
            Submission(target: .session(target), input: input)
                .submit(from: call.loop, context: call.context, reader: reader) { result in
                    if case .failure(let error) = result { fail(error) }
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
}

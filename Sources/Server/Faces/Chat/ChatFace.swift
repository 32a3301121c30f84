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
}

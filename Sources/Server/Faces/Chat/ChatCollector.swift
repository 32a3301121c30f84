import Bytes
import HTTP
import JSON
import Network
import Sessions

/// Waits for the end of a response and gives the whole of it as a `chat.completion`.
final class ChatCollector: EventReader {
    private let completion: ChatCompletion
    private let then: (Result<CollectedResponse, APIError>) -> Void

    /// - Parameter then: called once on `loop`, unless the reader is stopped before.
    init(loop: EventLoop, _ completion: ChatCompletion, then: @escaping (Result<CollectedResponse, APIError>) -> Void) {
        self.completion = completion
        self.then = then
        super.init(loop: loop, catchUp: .losslessOrClose)
    }

    /// Answers the call.
    convenience init(_ call: Call, _ completion: ChatCompletion) {
        self.init(loop: call.loop, completion) { call.answer($0) }
        call.exchange.endsWithInput = true
        call.exchange.onDisconnect = { [self] in stop() }
    }

    override func receive(_ event: SessionEvent) -> Cursor.Demand {
        guard event.kind.isTerminal, let reference = event.response, reference.id == completion.id else { return .more }
        stop()
        if let failure = reference.failure {
            fail(APIError(failure))
        } else {
            let completion = completion
            collect(event) {
                ChatCompletion.Ending(event, cutForm: completion.cutForm).map { ending in
                    CollectedResponse(
                        json: completion.json(ending, sessionID: reference.sessionID), reference: reference, ending: event.kind,
                        cut: ending.failure(completionID: completion.id))
                }
            } then: { [then] in
                then($0)
            }
        }
        return .more
    }

    override func receivePlaceGone() {
        fail(APIError(status: .gone, message: "The completion is no longer kept.", code: "events_expired"))
    }

    override func sessionClosed() {
        fail(.sessionDeleted)
    }

    /// The response goes on when the server is started again.
    override func serverStopping() { fail(.shuttingDown) }

    override func storageStalled() { fail(.storageStalled) }

    func fail(_ error: APIError) {
        stop()
        then(.failure(error))
    }

}

extension ChatCompletion {
    /// The whole completion.
    fileprivate func json(_ ending: Ending, sessionID: String) -> [UInt8] {
        var buffer = ByteBuffer()
        buffer.appendJSONObject { object in
            writeHead(object: "chat.completion", to: &object)
            object.array("choices") { choices in
                choices.object { choice in
                    choice.field("index", 0)
                    choice.object("message") { writeMessage(ending, to: &$0) }
                    choice.null("logprobs")
                    choice.field("finish_reason", finishReason(ending))
                }
            }
            ending.writeUsage(to: &object)
            if ending.hasExtension(tellsUsage: true) {
                object.object("interject") { ending.writeExtension(sessionID: sessionID, to: &$0) }
            }
        }
        return buffer.array
    }

    private func writeMessage(_ ending: Ending, to message: inout JSONObjectWriter) {
        let parts = ending.output.filter { $0["type"]?.string == "message" }.flatMap { $0["content"]?.array ?? [] }
        let text = parts.compactMap { $0["text"]?.string }.joined()
        let refusal = parts.compactMap { $0["refusal"]?.string }.joined()
        let reasoning = ending.output.filter { $0["type"]?.string == "reasoning" }.flatMap { $0["content"]?.array ?? [] }
            .compactMap { $0["text"]?.string }.joined()
        let calls = ending.output.filter(ChatToolCall.isCall).enumerated().compactMap {
            ChatToolCall($1, index: $0, usesFunctions: usesFunctions)
        }
        message.field("role", "assistant")
        if text.isEmpty, !calls.isEmpty || !refusal.isEmpty { message.null("content") } else { message.field("content", text) }
        if refusal.isEmpty { message.null("refusal") } else { message.field("refusal", refusal) }
        if !reasoning.isEmpty { message.field("reasoning_content", reasoning) }
        var members = ProviderMembers()
        for item in ending.output where !ChatToolCall.isCall(item) { members.take(ProviderMembers(item)) }
        members.write(to: &message)
        if calls.isEmpty { return }
        if usesFunctions {
            message.object("function_call") { calls[0].writeFunction(to: &$0, input: calls[0].input) }
            return
        }
        message.array("tool_calls") { list in
            for call in calls { list.object { call.write(to: &$0) } }
        }
    }
}

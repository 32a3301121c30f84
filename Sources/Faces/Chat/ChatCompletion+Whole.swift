import Bytes
import JSON
import Sessions

extension ChatCompletion {
    /// The complete completion from its last event; nil if that is unreadable.
    func collected(_ event: SessionEvent, _ header: ResponseHeader) -> CollectedResponse? {
        guard let ending = Ending(event, cutForm: cutForm) else { return nil }
        return CollectedResponse(
            json: json(ending, sessionID: header.sessionID), reference: header, ending: event.kind,
            cut: ending.failure(completionID: id))
    }

    private func json(_ ending: Ending, sessionID: String) -> [UInt8] {
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

import Bytes
import JSON
import Sessions

/// What all chunks of one chat completion share, and how a response's end is told in Chat Completions' words.
struct ChatCompletion {
    let id: String
    let model: String
    let created: Int
    /// Whether the client speaks of `functions`, as was done before there were tools.
    var usesFunctions = false

    /// A word that the client knows.
    func finishReason(_ ending: Ending) -> String {
        let reason = ending.finishReason
        return usesFunctions && reason == "tool_calls" ? "function_call" : reason
    }

    /// How a response ended, read from its terminal event.
    struct Ending {
        let response: JSONValue
        let status: String
        let incompleteReason: String?

        /// nil when the event does not hold the response.
        init?(_ event: LogEvent) {
            guard let response = event.responseObject.flatMap({ try? JSONValue.parse($0, limits: .own) }) else { return nil }
            self.response = response
            status = response["status"]?.string ?? "failed"
            incompleteReason = response["incomplete_details"]?["reason"]?.string
        }

        var output: [JSONValue] { response["output"]?.array ?? [] }
        var hasToolCalls: Bool { output.contains(where: ChatToolCall.isCall) }

        /// One of the words that clients know. A cut is a `stop` for them; `interject` beside it says more.
        var finishReason: String {
            switch incompleteReason {
            case "max_output_tokens": "length"
            case "content_filter": "content_filter"
            default: hasToolCalls && status == "completed" ? "tool_calls" : "stop"
            }
        }

        /// Whether somebody cut it.
        var isCut: Bool { status == "cancelled" || incompleteReason == "interrupted" || incompleteReason == "steered" }

        /// What was found of the format that was asked for; nil when none was.
        var verdict: JSONValue? { response["interject"]?["validation"] }
        var hasExtension: Bool { isCut || verdict != nil }

        func writeUsage(to writer: inout JSONObjectWriter) {
            let usage = response["usage"]
            writer.object("usage") {
                $0.field("prompt_tokens", usage?["input_tokens"]?.int ?? 0)
                $0.field("completion_tokens", usage?["output_tokens"]?.int ?? 0)
                $0.field("total_tokens", usage?["total_tokens"]?.int ?? 0)
                $0.object("prompt_tokens_details") {
                    $0.field("cached_tokens", usage?["input_tokens_details"]?["cached_tokens"]?.int ?? 0)
                }
                $0.object("completion_tokens_details") {
                    $0.field("reasoning_tokens", usage?["output_tokens_details"]?["reasoning_tokens"]?.int ?? 0)
                }
            }
        }

        /// The members of the `interject` object of a completion that was cut or judged.
        func writeExtension(sessionID: String?, to writer: inout JSONObjectWriter) {
            writer.field("session_id", sessionID)
            writer.field("status", status)
            writer.field("reason", incompleteReason)
            if let verdict { writer.field("validation", verdict) }
        }
    }

    func writeHead(object: StaticString, to writer: inout JSONObjectWriter) {
        writer.field("id", id)
        writer.key("object", object)
        writer.field("created", created)
        writer.field("model", model)
    }
}

extension JSONObjectWriter {
    /// A member whose value is a constant.
    fileprivate mutating func key(_ name: StaticString, _ value: StaticString) {
        field(name, utf8: UnsafeRawBufferPointer(start: value.utf8Start, count: value.utf8CodeUnitCount))
    }
}

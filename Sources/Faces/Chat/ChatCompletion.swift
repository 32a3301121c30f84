import API
import Bytes
import HTTP
import JSON
import ResponsesWire
import Sessions

/// What all chunks of one chat completion share, and how a response's end is told in Chat Completions' words.
struct ChatCompletion: Sendable {
    let id: String
    let model: String
    let created: Int
    /// Whether the client speaks of `functions`, as was done before there were tools.
    var usesFunctions = false
    /// How the client is told of a cut.
    var cutForm = CutForm.native

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
        /// nil when nobody has cut it.
        let cut: Cut?
        private let cutForm: CutForm

        /// nil when the event does not hold the response.
        init?(_ event: SessionEvent, cutForm: CutForm) {
            guard let bytes = event.responseObject, let response = try? JSONValue.parse(bytes, limits: .own) else { return nil }
            self.response = response
            status = response["status"]?.string ?? "failed"
            incompleteReason = response["incomplete_details"]?["reason"]?.string
            let cut = bytes.withUnsafeBytes { try? Cut(JSONReader($0, limits: .own)) }
            self.cut = cut
            self.cutForm = cut.map(cutForm.resolved) ?? cutForm
        }

        var output: [JSONValue] { response["output"]?.array ?? [] }
        var hasToolCalls: Bool { output.contains(where: ChatToolCall.isCall) }

        /// What the client is told in place of an answer, if it wants cuts to be errors.
        func failure(completionID: String) -> APIError? {
            cutForm == .failed ? cut.map { APIError.cut($0, responseID: completionID) } : nil
        }

        /// One of the words that clients know; `interject` beside it says more.
        var finishReason: String {
            switch incompleteReason {
            case "max_output_tokens": "length"
            case "content_filter": "content_filter"
            default:
                if let cut {
                    isTold(asPart: cut) ? "length" : "stop"
                } else {
                    hasToolCalls && status == "completed" ? "tool_calls" : "stop"
                }
            }
        }

        /// Whether a cut is told by the word for the token limit. Of `stop` SDKs parse what they got as JSON, and ask again when that
        /// fails; prose is whole as far as it goes.
        private func isTold(asPart cut: Cut) -> Bool {
            switch cutForm {
            case .native: cut.leavesCallOpen || cut.isFormatted
            case .completed: false
            case .incomplete, .failed: true
            }
        }

        /// What was found of the format that was asked for; nil when none was.
        var verdict: JSONValue? { response["interject"]?["validation"] }
        /// The upstream's own word for the end, where it is none of its dialect's.
        private var finishWord: String? { response["interject"]?["finish_reason"]?.string }
        /// Calls of tools that are left out for want of a name.
        private var unnamedToolCallCount: Int { response["interject"]?["unnamed_tool_calls"]?.int ?? 0 }
        /// Whether the usage is our own count, or part of it.
        private var isEstimated: Bool { response["interject"]?["usage_estimated"]?.bool ?? false }

        /// - Parameter tellsUsage: the client is told the usage.
        func hasExtension(tellsUsage: Bool) -> Bool {
            cut != nil || verdict != nil || finishWord != nil || unnamedToolCallCount > 0 || tellsUsage && isEstimated
        }

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
                if isEstimated { $0.field("estimated", true) }
            }
        }

        /// The members of the `interject` object of a completion of which there is more to tell than Chat Completions has words for.
        func writeExtension(sessionID: String?, to writer: inout JSONObjectWriter) {
            writer.field("session_id", sessionID)
            writer.field("status", status)
            writer.field("reason", incompleteReason)
            if let verdict { writer.field("validation", verdict) }
            if let finishWord { writer.field("finish_reason", finishWord) }
            if unnamedToolCallCount > 0 { writer.field("unnamed_tool_calls", unnamedToolCallCount) }
            if isEstimated { writer.field("usage_estimated", true) }
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

extension APIError {
    /// A cut, for clients that want it to be an error. The status is one that SDKs do not act on by asking again, as it is told.
    fileprivate static func cut(_ cut: Cut, responseID: String) -> APIError {
        APIError(
            status: .conflict, message: "\(cut.message) What it had said stands in GET /v1/responses/\(responseID).",
            code: Cut.errorCode)
    }
}

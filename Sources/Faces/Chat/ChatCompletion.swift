import API
import Bytes
import HTTP
import JSON
import ResponsesWire
import Sessions

/// What all chunks of a chat completion share, and the mapping of a response's end to Chat Completions.
struct ChatCompletion: Sendable {
    let id: String
    let model: String
    let created: Int
    /// Whether the client uses the deprecated `functions` instead of tools.
    var usesFunctions = false
    /// How the client is told of a cut.
    var cutForm = CutForm.native

    /// A finish reason that clients know.
    func finishReason(_ ending: Ending) -> String {
        let reason = ending.finishReason
        return usesFunctions && reason == "tool_calls" ? "function_call" : reason
    }

    /// The end of a response, from its terminal event.
    struct Ending {
        let response: JSONValue
        let status: String
        let incompleteReason: String?
        /// Nil if the response was not cut off.
        let cut: Cut?
        private let cutForm: CutForm

        /// Nil if the event does not contain the response.
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

        /// The error to send instead of a completion, if the client prefers errors for cuts.
        func failure(completionID: String) -> APIError? {
            cutForm == .failed ? cut.map { APIError.cut($0, responseID: completionID) } : nil
        }

        /// A finish reason that clients know; `interject` contains the details.
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

        /// Whether a cut is reported as `length`. On `stop` SDKs parse the text as JSON, and retry if that fails; prose is usable
        /// as far as it goes.
        private func isTold(asPart cut: Cut) -> Bool {
            switch cutForm {
            case .native: cut.leavesCallOpen || cut.isFormatted
            case .completed: false
            case .incomplete, .failed: true
            }
        }

        /// The result of validating the text's format; nil if none was required.
        var verdict: JSONValue? { response["interject"]?["validation"] }
        /// The upstream's own finish reason, if its dialect does not define it.
        private var finishWord: String? { response["interject"]?["finish_reason"]?.string }
        /// Number of tool calls without a name, which are left out.
        private var unnamedToolCallCount: Int { response["interject"]?["unnamed_tool_calls"]?.int ?? 0 }
        /// Whether the usage is, at least in part, the server's estimate.
        private var isEstimated: Bool { response["interject"]?["usage_estimated"]?.bool ?? false }

        /// - Parameter tellsUsage: whether the client gets the usage.
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

        /// Writes the members of a completion's `interject` object, for what Chat Completions has no terms for.
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
    /// Writes a member with a constant value.
    fileprivate mutating func key(_ name: StaticString, _ value: StaticString) {
        field(name, utf8: UnsafeRawBufferPointer(start: value.utf8Start, count: value.utf8CodeUnitCount))
    }
}

extension APIError {
    /// A cut, for clients that prefer an error. SDKs do not retry on this status, as sent here.
    fileprivate static func cut(_ cut: Cut, responseID: String) -> APIError {
        APIError(
            status: .conflict, message: "\(cut.message) What it had said stands in GET /v1/responses/\(responseID).",
            code: Cut.errorCode)
    }
}

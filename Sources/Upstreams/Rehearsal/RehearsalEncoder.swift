import Bytes
import HTTP
import JSON

/// Encodes one answer in the dialect of its request. The common parts of all token events are built once, so that a token costs two
/// copies and the escaping of a word.
struct RehearsalEncoder {
    enum FinishReason {
        case stop, length, tool
    }

    let dialect: RehearsalDialect
    let id: String
    let model: String
    /// Seconds since 1970.
    let created: Int
    /// The tool to call instead of answering with text.
    let tool: String?
    /// `stream_options.include_usage`.
    let includesUsage: Bool
    let promptTokenCount: Int

    /// The bytes before and after the escaped word of a token event.
    private let tokenHead: [UInt8]
    private let tokenTail: [UInt8]

    init(
        dialect: RehearsalDialect, id: String, model: String, created: Int, tool: String?, includesUsage: Bool,
        promptTokenCount: Int
    ) {
        self.dialect = dialect
        self.id = id
        self.model = model
        self.created = created
        self.tool = tool
        self.includesUsage = includesUsage
        self.promptTokenCount = promptTokenCount
        var head = ByteBuffer()
        var tail = ByteBuffer()
        switch dialect {
        case .chatCompletions:
            Self.appendChunkHead(id: id, model: model, created: created, into: &head)
            head.append(
                tool == nil ? "{\"content\":\"" : "{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"")
            tail.append(tool == nil ? "\"}" : "\"}}]}")
            tail.append(",\"finish_reason\":null}]")
            tail.append(includesUsage ? ",\"usage\":null}" : "}")
        case .messages:
            ServerSentEventWriter.begin(type: "content_block_delta", into: &head)
            head.append("{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":")
            head.append(tool == nil ? "\"text_delta\",\"text\":\"" : "\"input_json_delta\",\"partial_json\":\"")
            tail.append("\"}}")
        }
        ServerSentEventWriter.end(into: &tail)
        tokenHead = head.array
        tokenTail = tail.array
    }

    /// The arguments of a tool call, in the pieces that are streamed.
    static let toolArgumentPieces = ["{\"query\"", ":\"rehears", "al\"", "}"]
    var toolCallID: String { (dialect == .messages ? "toolu_" : "call_") + id }

    @inline(__always)
    func appendToken(_ token: UnsafeRawBufferPointer, into output: inout ByteBuffer) {
        output.append(tokenHead)
        output.appendJSONStringContents(utf8: token)
        output.append(tokenTail)
    }

    /// Writes the opening events, sent as soon as the request is parsed.
    func appendOpening(into output: inout ByteBuffer) {
        if dialect == .messages { appendMessageStart(into: &output) }
    }

    /// Writes the events directly before the first token.
    func appendStart(into output: inout ByteBuffer) {
        switch dialect {
        case .chatCompletions: appendRoleChunk(into: &output)
        case .messages: appendBlockStart(into: &output)
        }
    }

    /// Writes the events after the last token.
    func appendEnd(_ reason: FinishReason, tokenCount: Int, into output: inout ByteBuffer) {
        switch dialect {
        case .chatCompletions: appendFinishChunks(reason, tokenCount: tokenCount, into: &output)
        case .messages: appendMessageEnd(reason, tokenCount: tokenCount, into: &output)
        }
    }

    /// Writes an event whose data is invalid JSON.
    func appendGarbage(into output: inout ByteBuffer) {
        ServerSentEventWriter.begin(type: dialect == .messages ? "content_block_delta" : nil, into: &output)
        output.append("{rehearsed garbage, no JSON]")
        ServerSentEventWriter.end(into: &output)
    }

    /// Writes an error event, after which the stream ends.
    func appendError(_ message: String, into output: inout ByteBuffer) {
        ServerSentEventWriter.begin(type: dialect == .messages ? "error" : nil, into: &output)
        Self.appendErrorObject(dialect, status: 500, message, into: &output)
        ServerSentEventWriter.end(into: &output)
    }

    /// The body of an answer that is not streamed.
    /// - Parameter reason: nil if the answer is cut.
    func whole(_ text: UnsafeRawBufferPointer, _ reason: FinishReason?, tokenCount: Int) -> [UInt8] {
        var output = ByteBuffer()
        switch dialect {
        case .chatCompletions: appendCompletion(text, reason, tokenCount: tokenCount, into: &output)
        case .messages: appendMessage(text, reason, tokenCount: tokenCount, into: &output)
        }
        return output.array
    }

    /// The body of an error response.
    static func errorBody(_ dialect: RehearsalDialect, status: Int, _ message: String, param: String? = nil) -> [UInt8] {
        var output = ByteBuffer()
        appendErrorObject(dialect, status: status, message, param: param, into: &output)
        return output.array
    }

    private static func appendErrorObject(
        _ dialect: RehearsalDialect, status: Int, _ message: String, param: String? = nil, into output: inout ByteBuffer
    ) {
        output.appendJSONObject { body in
            if dialect == .messages { body.field("type", "error") }
            body.object("error") { error in
                error.field("type", errorType(dialect, status))
                error.field("message", message)
                guard dialect == .chatCompletions else { return }
                error.field("param", param)
                error.field("code", status < 500 && status != 429 ? String?.none : "rehearsal_\(status)")
            }
        }
    }

    private static func errorType(_ dialect: RehearsalDialect, _ status: Int) -> String {
        switch status {
        case 401: "authentication_error"
        case 403: "permission_error"
        case 404: "not_found_error"
        case 429: "rate_limit_error"
        case 529 where dialect == .messages: "overloaded_error"
        case 500...: dialect == .messages ? "api_error" : "server_error"
        default: "invalid_request_error"
        }
    }
}

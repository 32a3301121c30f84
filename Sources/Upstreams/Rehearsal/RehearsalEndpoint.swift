import Bytes
import HTTP
import JSON
import Network

/// Serves the rehearsal model over HTTP: completions in two dialects, the list of models, statistics and past requests.
///
/// All connections live on one loop, and so does the state.
final class RehearsalEndpoint: HTTPRequestHandler {
    /// Tokens per second of every model except ``fastModel``.
    static let defaultPace = 40
    static let fastModel = "rehearsal-fast"
    static let models = ["rehearsal", fastModel]
    /// Longest model name in bytes; a longer one is truncated.
    static let maxModelNameBytes = 256

    let state: LoopBound<State>

    init(on loop: EventLoop) async {
        state = await withCheckedContinuation { continuation in
            loop.execute { continuation.resume(returning: LoopBound(State(), on: loop)) }
        }
    }

    /// State that outlives a request.
    final class State {
        var statistics = RehearsalStatistics()
        var log = RehearsalRequestLog()
        /// Number of requests with `fail_times`, by hash of their conversation.
        var faultyRequestCounts: [UInt64: Int] = [:]
        var requestCount = 0

        static let maxFaultyPrompts = 4096

        func reset() {
            statistics = RehearsalStatistics()
            log.removeAll()
            faultyRequestCounts = [:]
        }

        /// Counts a request with this prompt.
        /// - Returns: whether its faults still apply.
        func isFaulty(_ hash: UInt64, times: Int) -> Bool {
            let count = faultyRequestCounts[hash] ?? 0
            guard count < times else { return false }
            if faultyRequestCounts.count >= Self.maxFaultyPrompts { faultyRequestCounts = [:] }
            faultyRequestCounts[hash] = count + 1
            return true
        }
    }

    // MARK: Routes

    func handle(_ exchange: HTTPExchange) {
        let target = exchange.request.target
        switch (exchange.request.method, target.path) {
        case (.post, "/v1/chat/completions"), (.post, "/chat/completions"): complete(exchange, .chatCompletions)
        case (.post, "/v1/messages"): complete(exchange, .messages)
        case (.get, "/v1/models"), (.get, "/models"): respond(exchange) { Self.writeModels(to: &$0) }
        case (.get, "/stats"): respond(exchange) { writeStatistics(to: &$0) }
        case (.post, "/stats/reset"):
            state.value.reset()
            respond(exchange) { writeStatistics(to: &$0) }
        case (.get, "/requests"): listRequests(exchange, target.queryItems)
        default:
            refuse(
                exchange, .chatCompletions, .notFound,
                "The rehearsal model has no \(exchange.request.method) \(target.path.prefix(100)).")
        }
    }

    /// Large, for prompts with images.
    func terms(for request: RequestHead) -> RequestTerms? { RequestTerms(maxBodyBytes: 64 << 20) }

    func errorAnswer(for status: HTTPStatus, _ message: String) -> HTTPErrorAnswer {
        HTTPErrorAnswer(
            fields: [("Content-Type", "application/json")],
            body: RehearsalEncoder.errorBody(.chatCompletions, status: status.code, message))
    }

    private func respond(_ exchange: HTTPExchange, _ body: (inout JSONObjectWriter) -> Void) {
        var buffer = ByteBuffer()
        buffer.appendJSONObject(body)
        exchange.respond(.ok, contentType: "application/json", body: buffer.array)
    }

    private func refuse(
        _ exchange: HTTPExchange, _ dialect: RehearsalDialect, _ status: HTTPStatus, _ message: String,
        param: String? = nil, fields: [(name: String, value: String)] = []
    ) {
        exchange.respond(
            status, contentType: "application/json", fields: fields,
            body: RehearsalEncoder.errorBody(dialect, status: status.code, message, param: param))
    }

    // MARK: Completions

    private func complete(_ exchange: HTTPExchange, _ dialect: RehearsalDialect) {
        guard let loop = exchange.loop else { return }
        state.value.statistics.requests += 1
        state.value.requestCount += 1
        let number = state.value.requestCount
        exchange.commonFields.append(("x-request-id", "req_rehearsal_\(number)"))
        do throws(RehearsalRequestError) {
            let request = try RehearsalRequest(exchange.body)
            answer(request, exchange, dialect, number, loop)
        } catch {
            refuse(exchange, dialect, .badRequest, error.message, param: error.param)
        }
    }

    private func answer(
        _ request: RehearsalRequest, _ exchange: HTTPExchange, _ dialect: RehearsalDialect, _ number: Int, _ loop: EventLoop
    ) {
        let state = state.value
        let conversation = request.conversation
        let record = RehearsalRecord(
            id: (dialect == .messages ? "msg_rehearsal_" : "chatcmpl-rehearsal-") + String(number), model: request.model,
            dialect: dialect, isStream: request.isStream, conversation: conversation,
            startedNanoseconds: loop.clock.now.nanoseconds)
        state.log.append(record)
        var directives = request.directives
        if let times = directives.faultyRequestCount, !state.isFaulty(conversation.hash, times: times) {
            directives.faults = []
            directives.status = nil
        }
        if let status = directives.status {
            record.state = .failed
            record.endedNanoseconds = record.startedNanoseconds
            let fields = directives.retryAfterSeconds.map { [("Retry-After", String($0))] } ?? []
            refuse(
                exchange, dialect, HTTPStatus(status), "The rehearsal model refuses, as status=\(status) asks.", fields: fields)
            return
        }
        // Asking for a tool again after its result would never end.
        let tool = conversation.hasToolResult ? nil : directives.tool
        let script =
            tool == nil
            ? RehearsalScript(conversation, directives) : RehearsalScript(tokens: RehearsalEncoder.toolArgumentPieces)
        let encoder = RehearsalEncoder(
            dialect: dialect, id: record.id, model: request.model, created: loop.unixTime, tool: tool,
            includesUsage: request.includesUsage, promptTokenCount: conversation.tokenCount)
        RehearsalAnswer(
            exchange, loop: loop, encoder: encoder, script: script, tokenLimit: request.maxTokens,
            pace: directives.pace ?? (request.model == Self.fastModel ? 0 : Self.defaultPace),
            firstTokenMilliseconds: directives.firstTokenMilliseconds, faults: directives.faults, record: record,
            statistics: state.statistics
        ).begin()
    }

    // MARK: Inspection

    private static func writeModels(to body: inout JSONObjectWriter) {
        body.field("object", "list")
        body.array("data") { list in
            for model in models {
                list.object {
                    $0.field("id", model)
                    $0.field("object", "model")
                    $0.field("created", 0)
                    $0.field("owned_by", "interject-rehearsal")
                }
            }
        }
    }

    private func writeStatistics(to body: inout JSONObjectWriter) {
        let statistics = state.value.statistics
        body.field("requests", statistics.requests)
        body.field("streams_completed", statistics.streamsCompleted)
        body.field("aborts_seen", statistics.abortsSeen)
        body.field("tokens_sent", statistics.tokensSent)
        body.field("active", statistics.active)
        body.field("now_ns", Int(state.loop.clock.now.nanoseconds))
    }

    private func listRequests(_ exchange: HTTPExchange, _ query: QueryItems) {
        var limit = RehearsalRequestLog.maxRequests
        if let text = query["limit"] {
            guard let number = Int(text), (1...RehearsalRequestLog.maxRequests).contains(number) else {
                let message = "limit must be a whole number from 1 to \(RehearsalRequestLog.maxRequests)."
                return refuse(exchange, .chatCompletions, .badRequest, message, param: "limit")
            }
            limit = number
        }
        let records = state.value.log.newest(limit, containing: query["contains"])
        respond(exchange) { body in
            body.array("data") { list in for record in records { list.object { record.write(to: &$0) } } }
        }
    }
}

extension RehearsalRecord {
    fileprivate func write(to writer: inout JSONObjectWriter) {
        writer.field("id", id)
        writer.field("model", model)
        writer.field("dialect", dialect.rawValue)
        writer.field("stream", isStream)
        writer.array("messages") { list in
            for message in messages {
                list.object {
                    $0.field("role", message.role)
                    $0.field("content", message.text)
                }
            }
        }
        writer.field("tokens_sent", tokensSent)
        writer.field("state", state.rawValue)
        writer.field("started_ns", Int(startedNanoseconds))
        writer.field("first_token_ns", firstTokenNanoseconds.map { JSONValue($0) } ?? .null)
        writer.field("ended_ns", endedNanoseconds.map { JSONValue($0) } ?? .null)
    }
}

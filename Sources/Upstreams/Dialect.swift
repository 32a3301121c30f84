import HTTP
package import JSON
package import Network
package import Sessions

/// The body of a request for a generation.
package struct UpstreamBody {
    package var members: JSONObject
    /// The answer that goes on, if it does.
    package var continuation: Continuation?
}

/// A request for a generation, ready to be sent.
package struct MadeRequest: Sendable {
    package let request: HTTPClientRequest
    /// What it has of the members that may be refused.
    package let sent: UpstreamHabits.Members
    /// The answer that goes on, if it does.
    package let continuation: Continuation?
}

/// How one kind of upstream is asked; its ``ResponseDecoder`` understands the answer.
package protocol Dialect {
    /// Where generations are asked for, after the base URL.
    static var path: String { get }
    /// The body that asks for a generation; always for a stream, since only a stream stops when it is closed.
    /// - Parameter prefill: how the model is made to continue an answer that was cut, if the conversation allows it.
    /// - Throws: when the conversation holds what the dialect has no word for.
    static func body(
        of request: ModelRequest, model: String, to upstream: UpstreamConfiguration, prefill: PrefillWay
    ) throws(GenerationError) -> UpstreamBody
    static func url(_ upstream: UpstreamConfiguration, _ path: String) -> String
    /// Adds the fields that every request needs.
    static func authorize(_ request: inout HTTPClientRequest, _ upstream: UpstreamConfiguration) throws(GenerationError)
}

extension Dialect {
    /// The request for a generation.
    package static func request(
        _ request: ModelRequest, model: String, to upstream: UpstreamConfiguration
    ) throws(GenerationError) -> HTTPClientRequest {
        try self.request(request, model: model, to: upstream, habits: UpstreamHabits()).request
    }

    /// The request for a generation, as far as the upstream takes it.
    package static func request(
        _ request: ModelRequest, model: String, to upstream: UpstreamConfiguration, habits: UpstreamHabits
    ) throws(GenerationError) -> MadeRequest {
        var body = try body(of: request, model: model, to: upstream, prefill: habits.prefillWay(of: request, to: upstream))
        // Anthropic's limit has one name, and must be there.
        var sent = upstream.dialect == .chatCompletions ? habits.apply(to: &body.members) : []
        if body.continuation?.isPrefilled ?? false { sent.insert(.prefill) }
        var result = HTTPClientRequest(method: "POST", url: url(upstream, path), body: JSONValue.object(body.members).serialized())
        try result.set("Content-Type", "application/json")
        try result.set("Accept", "text/event-stream")
        try authorize(&result, upstream)
        result.unpacksBody = true
        result.connectTimeout = upstream.connectTimeout
        result.silenceTimeout = upstream.firstByteTimeout ?? upstream.silenceTimeout
        return MadeRequest(request: result, sent: sent, continuation: body.continuation)
    }

    /// The request that lists the upstream's models.
    package static func modelsRequest(to upstream: UpstreamConfiguration) throws(GenerationError) -> HTTPClientRequest {
        var result = HTTPClientRequest(url: url(upstream, "/models"))
        result.unpacksBody = true
        try result.set("Accept", "application/json")
        try authorize(&result, upstream)
        return result
    }
}

extension UpstreamConfiguration.Dialect {
    /// What speaks it.
    var speaker: any Dialect.Type {
        switch self {
        case .chatCompletions: ChatCompletionsDialect.self
        case .anthropicMessages: AnthropicMessagesDialect.self
        }
    }
}

extension HTTPClientRequest {
    /// Appends a field that comes from the configuration.
    mutating func set(_ name: String, _ value: String) throws(GenerationError) {
        do throws(FieldError) {
            try fields.append(name, value)
        } catch {
            // Not the value: it may be a key.
            throw .server("upstream_misconfigured", 500, "The upstream's \(name) has a character that no header field can hold.")
        }
    }
}

extension GenerationError {
    /// - Parameter param: the member of the client's request that asks for it.
    static func unsupported(
        _ what: String, by upstream: UpstreamConfiguration, param: String? = nil, code: String = "unsupported_value"
    ) -> GenerationError {
        GenerationError(
            code: code, message: "The upstream \(upstream.authority) speaks a protocol that has no \(what).",
            status: 400, type: "invalid_request_error", param: param)
    }
}

extension ModelRequest {
    /// The member of the client's request that a part of the conversation came in, as `input[3].content[0]`; nil for what was said
    /// before.
    func param(of origin: Conversation.Origin?) -> String? {
        guard let origin, origin.item >= inputStart, origin.item < items.count else { return nil }
        let list = items[origin.item].chatMessage == nil ? "input" : "messages"
        return "\(list)[\(origin.item - inputStart)]\(origin.member)"
    }
}

extension UpstreamConfiguration {
    /// Host and port, fit for messages.
    package var authority: String { HTTPClientRequest.authority(of: baseURL) }

    /// OpenAI's own servers know words that others reject, and reject words that others need.
    var isOpenAI: Bool { HTTPClientRequest.host(of: baseURL) == "api.openai.com" }

    /// A URL made of the base without what people add to it or forget, and the base's query (Azure's `?api-version=`).
    /// - Parameters:
    ///   - suffixes: endings to take off, one after the other.
    ///   - complete: adds to the base what it lacks.
    func url(without suffixes: [String], _ complete: (String) -> String) -> String {
        let queryStart = baseURL.firstIndex(of: "?") ?? baseURL.endIndex
        var base = baseURL[..<queryStart]
        while base.hasSuffix("/") { base = base.dropLast() }
        for suffix in suffixes where base.hasSuffix(suffix) { base = base.dropLast(suffix.count) }
        return complete(String(base)) + baseURL[queryStart...]
    }
}

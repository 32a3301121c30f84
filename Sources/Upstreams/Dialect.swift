import HTTP
package import JSON
package import Network
package import Sessions

/// The body of a generation request.
package struct UpstreamBody {
    /// The members, in order.
    package var members: JSONObject
    /// The answer to continue; nil for a new one.
    package var continuation: Continuation?
}

/// A generation request, ready to send.
package struct MadeRequest: Sendable {
    /// The request, with its body.
    package let request: HTTPClientRequest
    /// The members among those that upstreams may reject.
    package let sent: UpstreamHabits.Members
    /// The answer to continue; nil for a new one.
    package let continuation: Continuation?
}

/// The encoding of requests for one kind of upstream; its ``ResponseDecoder`` decodes the responses.
package protocol Dialect {
    /// Path of the generation endpoint, after the base URL.
    static var path: String { get }
    /// The body of a generation request. It always asks for a stream, since only a stream stops when its connection is closed.
    /// - Parameter prefill: how the model is made to continue an interrupted answer, if the conversation allows it.
    /// - Throws: if the dialect cannot express part of the conversation.
    static func body(
        of request: ModelRequest, model: String, to upstream: UpstreamConfiguration, prefill: PrefillWay
    ) throws(GenerationError) -> UpstreamBody
    static func url(_ upstream: UpstreamConfiguration, _ path: String) -> String
    /// Adds the authorization and version fields.
    /// - Throws: if a configured value is not valid in a header field.
    static func authorize(_ request: inout HTTPClientRequest, _ upstream: UpstreamConfiguration) throws(GenerationError)
}

extension Dialect {
    /// The request for a generation.
    /// - Throws: if the dialect cannot express the request, or the configuration is invalid.
    package static func request(
        _ request: ModelRequest, model: String, to upstream: UpstreamConfiguration
    ) throws(GenerationError) -> HTTPClientRequest {
        try self.request(request, model: model, to: upstream, habits: UpstreamHabits()).request
    }

    /// The request for a generation, without members that the upstream is known to reject.
    /// - Throws: if the dialect cannot express the request, or the configuration is invalid.
    package static func request(
        _ request: ModelRequest, model: String, to upstream: UpstreamConfiguration, habits: UpstreamHabits
    ) throws(GenerationError) -> MadeRequest {
        var body = try body(of: request, model: model, to: upstream, prefill: habits.prefillWay(of: request, to: upstream))
        // Anthropic has one name for the limit, and requires it.
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

    /// The request for the upstream's list of models.
    /// - Throws: if the configuration is invalid.
    package static func modelsRequest(to upstream: UpstreamConfiguration) throws(GenerationError) -> HTTPClientRequest {
        var result = HTTPClientRequest(url: url(upstream, "/models"))
        result.unpacksBody = true
        try result.set("Accept", "application/json")
        try authorize(&result, upstream)
        return result
    }
}

extension UpstreamConfiguration.Dialect {
    /// The implementation of this dialect.
    var speaker: any Dialect.Type {
        switch self {
        case .chatCompletions: ChatCompletionsDialect.self
        case .anthropicMessages: AnthropicMessagesDialect.self
        }
    }
}

extension HTTPClientRequest {
    /// Appends a header field whose value comes from the configuration.
    mutating func set(_ name: String, _ value: String) throws(GenerationError) {
        do throws(FieldError) {
            try fields.append(name, value)
        } catch {
            // The value is omitted: it may be a key.
            throw .server(
                "upstream_misconfigured", 500, "The upstream's \(name) contains a character that a header field must not contain.")
        }
    }
}

extension GenerationError {
    /// - Parameter param: the member of the client's request that cannot be expressed.
    static func unsupported(
        _ what: String, by upstream: UpstreamConfiguration, param: String? = nil, code: String = "unsupported_value"
    ) -> GenerationError {
        GenerationError(
            code: code, message: "The protocol of the upstream \(upstream.authority) does not support \(what).",
            status: 400, type: "invalid_request_error", param: param)
    }
}

extension ModelRequest {
    /// The member of the client's request that had this part, for example `input[3].content[0]`; nil for a part from an earlier
    /// request.
    func param(of origin: Conversation.Origin?) -> String? {
        guard let origin, origin.item >= inputStart, origin.item < items.count else { return nil }
        let list = items[origin.item].chatMessage == nil ? "input" : "messages"
        return "\(list)[\(origin.item - inputStart)]\(origin.member)"
    }
}

extension UpstreamConfiguration {
    /// Host and port, suitable for messages.
    package var authority: String { HTTPClientRequest.authority(of: baseURL) }

    /// OpenAI's own servers accept members that other servers reject, and reject members that others need.
    var isOpenAI: Bool { HTTPClientRequest.host(of: baseURL) == "api.openai.com" }

    /// Completes the base URL with a path. Retains the base's query, such as Azure's `?api-version=`.
    /// - Parameters:
    ///   - suffixes: endings to remove in this order, which users often include.
    ///   - complete: appends what the base lacks.
    func url(without suffixes: [String], _ complete: (String) -> String) -> String {
        let queryStart = baseURL.firstIndex(of: "?") ?? baseURL.endIndex
        var base = baseURL[..<queryStart]
        while base.hasSuffix("/") { base = base.dropLast() }
        for suffix in suffixes where base.hasSuffix(suffix) { base = base.dropLast(suffix.count) }
        return complete(String(base)) + baseURL[queryStart...]
    }
}

import Bytes

/// What answers: the seam between sessions and upstreams.
///
/// Called on the session's loop; the answer comes back by synchronous calls to the ``GenerationSink``, on the same loop.
public protocol Model: Sendable {
    /// Starts the upstream request and returns at once.
    func start(_ request: ModelRequest, for sink: GenerationSink) -> any ModelCall
}

/// A running upstream request.
public protocol ModelCall: AnyObject {
    /// Closes the upstream connection before it returns; no event comes after.
    func cancel()
    /// Takes no more from the upstream's connection, so that the upstream has to wait. What has arrived may still be delivered.
    func pause()
    /// Goes on after ``pause()``.
    func resume()
}

/// The prompt of one generation.
public struct ModelRequest: Sendable {
    public let parameters: ResponseParameters
    /// The conversation so far, oldest first, the new input last.
    public let items: [Item]
    /// Whether the last assistant message was cut to be continued (mode `steer`).
    public let continuesLastMessage: Bool
    /// Where in ``items`` the new input begins, for errors that name what is wrong in it.
    public var inputStart = Int.max
}

/// Why a model stopped of itself.
public enum FinishReason: Sendable, Hashable {
    case stop
    case toolCalls
    /// The limit of tokens was reached.
    case length
    case contentFilter
}

/// A generation that failed, in a form for clients.
public struct GenerationError: Error, Sendable, Hashable {
    /// `server_error`, `rate_limit_exceeded`, `invalid_prompt`, … (Responses `error.code`).
    public var code: String
    public var message: String
    /// HTTP status for a client that has not seen any event yet.
    public var status: Int
    /// `error.type` for HTTP answers: `server_error`, `invalid_request_error`, `rate_limit_error`, …
    public var type: String
    /// Seconds after which the client may try again, if the upstream said so.
    public var retryAfterSeconds: Double?
    /// The member of the request that it is about, if the upstream said so.
    public var param: String?
    /// Whether a client that sends the request again by itself would only have the upstream asked more often than it should be.
    public var forbidsRetry = false

    public init(
        code: String, message: String, status: Int, type: String, retryAfterSeconds: Double? = nil, param: String? = nil
    ) {
        self.code = code
        self.message = message
        self.status = status
        self.type = type
        self.retryAfterSeconds = retryAfterSeconds
        self.param = param
    }
}

/// Tokens of a response, as an upstream or a runner counted them: whatever it told, each count is 0 to ``maxTokens``.
public struct Usage: Sendable, Hashable {
    /// Beyond every real count; far enough from the end of `Int` that sums of them never reach it.
    public static let maxTokens = 1 << 40

    public var inputTokens: Int { didSet { inputTokens = Self.bounded(inputTokens) } }
    public var outputTokens: Int { didSet { outputTokens = Self.bounded(outputTokens) } }
    public var cachedTokens: Int { didSet { cachedTokens = Self.bounded(cachedTokens) } }
    public var reasoningTokens: Int { didSet { reasoningTokens = Self.bounded(reasoningTokens) } }
    /// Whether it is our own count and not the upstream's (of a response that was cut, for example).
    public var isEstimated: Bool

    public init(inputTokens: Int, outputTokens: Int, cachedTokens: Int = 0, reasoningTokens: Int = 0, isEstimated: Bool = false) {
        self.inputTokens = Self.bounded(inputTokens)
        self.outputTokens = Self.bounded(outputTokens)
        self.cachedTokens = Self.bounded(cachedTokens)
        self.reasoningTokens = Self.bounded(reasoningTokens)
        self.isEstimated = isEstimated
    }

    /// Of prompt and answer together.
    public var totalTokens: Int { inputTokens.saturatingAdding(outputTokens) }

    private static func bounded(_ count: Int) -> Int { min(max(count, 0), maxTokens) }
}

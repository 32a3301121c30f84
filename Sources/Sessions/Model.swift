import Bytes

/// Generates output: the interface between sessions and upstreams.
///
/// Called on the session's loop; output is delivered by synchronous calls to the ``GenerationSink``, on the same loop.
public protocol Model: Sendable {
    /// Starts the upstream request and returns at once.
    func start(_ request: ModelRequest, for sink: GenerationSink) -> any ModelCall
}

/// A running upstream request.
public protocol ModelCall: AnyObject {
    /// Closes the upstream connection before returning; no further calls follow.
    func cancel()
    /// Stops reading from the upstream's connection, so that the upstream must wait. Data already received may still be delivered.
    func pause()
    /// Resumes after ``pause()``.
    func resume()
}

/// The prompt of one generation.
public struct ModelRequest: Sendable {
    /// The parameters of the response.
    public let parameters: ResponseParameters
    /// The conversation so far, oldest first, the new input last.
    public let items: [Item]
    /// Whether the last assistant message was interrupted and is to be continued (mode `steer`).
    public let continuesLastMessage: Bool
    /// Index in ``items`` at which the new input begins, for errors that refer to it.
    public var inputStart = Int.max
}

/// Why a model stopped on its own.
public enum FinishReason: Sendable, Hashable {
    case stop
    case toolCalls
    /// The token limit was reached.
    case length
    case contentFilter
}

/// A failed generation, in the form for clients.
public struct GenerationError: Error, Sendable, Hashable {
    /// `server_error`, `rate_limit_exceeded`, `invalid_prompt`, … (Responses `error.code`).
    public var code: String
    /// What went wrong, for people.
    public var message: String
    /// HTTP status for a client that has not seen any event yet.
    public var status: Int
    /// `error.type` of HTTP errors: `server_error`, `invalid_request_error`, `rate_limit_error`, …
    public var type: String
    /// Delay before a retry in seconds, if the upstream specified one.
    public var retryAfterSeconds: Double?
    /// The request member at fault, if the upstream specified one.
    public var param: String?
    /// Whether automatic retries by the client would only burden the upstream.
    public var forbidsRetry = false

    /// An error with these members.
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

/// Token counts of a response, from an upstream or a runner; each is clamped to 0 to ``maxTokens``.
public struct Usage: Sendable, Hashable {
    /// Beyond any real count, yet small enough that sums never overflow `Int`.
    public static let maxTokens = 1 << 40

    /// Tokens that the model read.
    public var inputTokens: Int { didSet { inputTokens = Self.bounded(inputTokens) } }
    /// Tokens that the model generated.
    public var outputTokens: Int { didSet { outputTokens = Self.bounded(outputTokens) } }
    /// Input tokens served from the upstream's cache.
    public var cachedTokens: Int { didSet { cachedTokens = Self.bounded(cachedTokens) } }
    /// Output tokens spent on reasoning.
    public var reasoningTokens: Int { didSet { reasoningTokens = Self.bounded(reasoningTokens) } }
    /// Whether the server estimated the counts, for example for an interrupted response.
    public var isEstimated: Bool

    /// Counts that are exact unless estimated.
    public init(inputTokens: Int, outputTokens: Int, cachedTokens: Int = 0, reasoningTokens: Int = 0, isEstimated: Bool = false) {
        self.inputTokens = Self.bounded(inputTokens)
        self.outputTokens = Self.bounded(outputTokens)
        self.cachedTokens = Self.bounded(cachedTokens)
        self.reasoningTokens = Self.bounded(reasoningTokens)
        self.isEstimated = isEstimated
    }

    /// Tokens of prompt and output together.
    public var totalTokens: Int { inputTokens.saturatingAdding(outputTokens) }

    private static func bounded(_ count: Int) -> Int { min(max(count, 0), maxTokens) }
}

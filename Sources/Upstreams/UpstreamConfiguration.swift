/// One upstream: where it is, what it speaks, and how it is called.
public struct UpstreamConfiguration: Sendable, Hashable {
    /// The protocol that an upstream speaks.
    public enum Dialect: String, Sendable, CaseIterable {
        /// OpenAI's `POST {base}/chat/completions`.
        case chatCompletions = "openai"
        /// Anthropic's `POST {base}/v1/messages`.
        case anthropicMessages = "anthropic"
    }

    /// Base URL without the call's path, for example `http://127.0.0.1:11434/v1`.
    public var baseURL: String
    public var dialect: Dialect
    /// Sent as `Authorization: Bearer` (OpenAI) or `x-api-key` (Anthropic).
    public var key: String?
    /// Public model name to the upstream's own; a name that is not in it is passed on as it is.
    public var modelNames: [String: String]
    /// The upstream is given up when it sends no byte for so long.
    public var silenceTimeout: Duration
    /// Attempts in all when an upstream refuses or fails before its first token.
    public var maxAttempts: Int

    public init(
        baseURL: String, dialect: Dialect = .chatCompletions, key: String? = nil, modelNames: [String: String] = [:],
        silenceTimeout: Duration = .seconds(60), maxAttempts: Int = 3
    ) {
        self.baseURL = baseURL
        self.dialect = dialect
        self.key = key
        self.modelNames = modelNames
        self.silenceTimeout = silenceTimeout
        self.maxAttempts = maxAttempts
    }
}

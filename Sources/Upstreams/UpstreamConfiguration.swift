import Network

/// One upstream: where it is, what it speaks, how it is called, and when.
public struct UpstreamConfiguration: Sendable, Hashable {
    /// The protocol that an upstream speaks.
    public enum Dialect: String, Sendable, CaseIterable {
        /// OpenAI's `POST {base}/chat/completions`.
        case chatCompletions = "openai"
        /// Anthropic's `POST {base}/v1/messages`.
        case anthropicMessages = "anthropic"
    }

    /// For metrics, logs and the `interject` object of responses; clients see it. Host and port of the URL unless it is set.
    public var name: String
    /// Base URL without the call's path, for example `http://127.0.0.1:11434/v1`.
    public var baseURL: String
    public var dialect: Dialect
    /// Sent as `Authorization: Bearer` (OpenAI) or `x-api-key` (Anthropic).
    public var key: String?
    /// Public names that it serves besides those of ``modelNames``; nil: every name, unless ``modelNames`` has some.
    public var models: [ModelPattern]?
    /// Public model name to the upstream's own; a name that is not in it is passed on as it is.
    public var modelNames: [String: String]
    /// Its share among upstreams of one priority, from 1.
    public var weight = 1
    /// 0 is the first choice; it is asked only when none with a lower number can be.
    public var priority = 0
    public var limit = UpstreamLimit()
    /// How the model is told who speaks and that it was cut.
    public var wording = ConversationWording()
    /// How its models are made to continue an answer that was cut; nil: as is learnt of it.
    public var prefill: PrefillWay?
    /// For name look-up, TCP and TLS together.
    public var connectTimeout = Duration.seconds(10)
    /// The upstream is given up when its answer has not begun after so long; nil: ``silenceTimeout`` holds from the start.
    public var firstByteTimeout: Duration?
    /// The upstream is given up when it sends no byte for so long.
    public var silenceTimeout: Duration

    public init(
        baseURL: String, dialect: Dialect = .chatCompletions, key: String? = nil, modelNames: [String: String] = [:],
        silenceTimeout: Duration = .seconds(60)
    ) {
        // It becomes a label of metrics.
        name = HTTPClientRequest.authority(of: baseURL).filter { $0 != "\"" && $0 != "\\" }
        self.baseURL = baseURL
        self.dialect = dialect
        self.key = key
        self.modelNames = modelNames
        self.silenceTimeout = silenceTimeout
    }

    /// How closely it is said to serve a model; nil when it does not.
    package func closeness(to model: String) -> ModelPattern.Closeness? {
        if modelNames[model] != nil { return .name }
        guard let models else { return modelNames.isEmpty ? .any : nil }
        return models.filter { $0.matches(model) }.map(\.closeness).min()
    }

    /// Its own name for a model.
    package func ownName(of model: String) -> String { modelNames[model] ?? model }
}

import Network

/// The configuration of one upstream: its address, dialect, models, and share of the requests.
public struct UpstreamConfiguration: Sendable, Hashable {
    /// The protocol that an upstream speaks.
    public enum Dialect: String, Sendable, CaseIterable {
        /// OpenAI's `POST {base}/chat/completions`.
        case chatCompletions = "openai"
        /// Anthropic's `POST {base}/v1/messages`.
        case anthropicMessages = "anthropic"
    }

    /// Label in metrics, logs and the `interject` object of responses, visible to clients. By default the host and port of the URL.
    public var name: String
    /// Base URL without the call's path, for example `http://127.0.0.1:11434/v1`.
    public var baseURL: String
    /// The protocol that it speaks.
    public var dialect: Dialect
    /// Sent as `Authorization: Bearer` (OpenAI) or `x-api-key` (Anthropic); nil without authorization.
    public var key: String?
    /// Public model names served besides those of ``modelNames``. nil: every name, unless ``modelNames`` has entries.
    public var models: [ModelPattern]?
    /// Public model names and the upstream's own; a name without an entry is passed on unchanged.
    public var modelNames: [String: String]
    /// Share of the requests among upstreams of the same priority, from 1.
    public var weight = 1
    /// 0 is the first choice; a higher number is used only when no upstream with a lower one is available.
    public var priority = 0
    /// Limits on the requests to this upstream.
    public var limit = UpstreamLimit()
    /// How the model is told about speakers and interruptions.
    public var wording = ConversationWording()
    /// How its models are made to continue an interrupted answer; nil: detected.
    public var prefill: PrefillWay?
    /// Limit for name resolution, TCP and TLS together.
    public var connectTimeout = Duration.seconds(10)
    /// Time limit for the first byte of an answer; nil: ``silenceTimeout`` applies from the start.
    public var firstByteTimeout: Duration?
    /// Longest time without a byte before the upstream is given up.
    public var silenceTimeout: Duration

    public init(
        baseURL: String, dialect: Dialect = .chatCompletions, key: String? = nil, modelNames: [String: String] = [:],
        silenceTimeout: Duration = .seconds(60)
    ) {
        // Excludes characters that the label of a metric would have to escape.
        name = HTTPClientRequest.authority(of: baseURL).filter { $0 != "\"" && $0 != "\\" }
        self.baseURL = baseURL
        self.dialect = dialect
        self.key = key
        self.modelNames = modelNames
        self.silenceTimeout = silenceTimeout
    }

    /// How specifically a model is configured for this upstream; nil if the upstream does not serve it.
    package func closeness(to model: String) -> ModelPattern.Closeness? {
        if modelNames[model] != nil { return .name }
        guard let models else { return modelNames.isEmpty ? .any : nil }
        return models.filter { $0.matches(model) }.map(\.closeness).min()
    }

    /// The upstream's own name for a model.
    package func ownName(of model: String) -> String { modelNames[model] ?? model }
}

/// The input and the conditions of a response, besides its parameters.
public struct GenerationRequest: Sendable {
    /// The input that it responds to.
    public let input: [Item]
    /// What happens when its last listener disconnects.
    public let policy: DisconnectPolicy
    /// The key that its usage is attributed to; nil if unknown.
    public let keyID: String?
    /// Whether its text continues the previous assistant message (mode `steer`).
    public let continuesLastMessage: Bool
    /// Whether no model is called (`generate: false`).
    let isWarmUp: Bool

    init(
        input: [Item], policy: DisconnectPolicy, keyID: String? = nil, continuesLastMessage: Bool = false, isWarmUp: Bool = false
    ) {
        self.input = input
        self.policy = policy
        self.keyID = keyID
        self.continuesLastMessage = continuesLastMessage
        self.isWarmUp = isWarmUp
    }
}

/// Usage of a response across its attempts.
struct UsageTally: Sendable {
    /// As reported by the current attempt's upstream; at the end, the total.
    var usage: Usage?
    /// Usage before a restart; included in ``usage`` at the end.
    var spent: Usage?
    /// Size of the current attempt's prompt in bytes.
    var promptByteCount = 0
    /// Number of deltas received, as an estimate of its tokens.
    var deltaCount = 0
}

/// Progress of a response, in the log and in time.
struct GenerationProgress: Sendable {
    /// Session sequence number of its first event.
    var firstSequence: Int?
    /// Number of events so far: one more than the last `sequence_number`.
    var eventCount = 0
    /// Seconds since 1970.
    var completedAt: Int?
    /// Number of items in the conversation when it ended, where a branch from this response begins.
    var conversationItemCount: Int?
}

/// The output of a response in progress.
struct OutputDraft {
    var items: [OutputItem] = []
    /// The item that text is appended to.
    var openItem: OutputItem?
    /// Provider data for tool calls that have not begun, by index.
    var awaitedToolData: [Int: ProviderData] = [:]
    /// Size of text, reasoning, arguments and provider data, in bytes.
    var byteCount = 0

    /// The text so far, without reasoning and tool arguments.
    var partialText: String { items.last { $0.isMessage }?.text ?? "" }
    var partialItemID: String? { openItem?.id ?? items.last?.id }
    /// Whether the output so far ends in text.
    var endsInText: Bool { items.last.map { $0.isMessage } ?? false }
}

/// Steers that wait at a response, and those that it took over from another.
struct Steers {
    /// Steers that wait for the outputs of its tool calls; see ``Session/keep(_:for:)``.
    var pending: [PendingSteer] = []
    /// Steers that it took over when it began.
    var taken: TakenSteers?
}

/// What a response was asked with, besides its parameters.
public struct GenerationRequest: Sendable {
    /// The input that it answers.
    public let input: [Item]
    public let policy: DisconnectPolicy
    /// The key that its usage is counted for; nil where the server knows none.
    public let keyID: String?
    /// Whether the text goes on from the assistant message before it (mode `steer`).
    public let continuesLastMessage: Bool
    /// Whether no model is asked (`generate: false`).
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

/// What a response used, over all of its attempts.
struct UsageTally: Sendable {
    /// The upstream's count of the attempt that runs; at the end, all of it.
    var usage: Usage?
    /// What was used of it before the server was started again; part of ``usage`` at the end.
    var spent: Usage?
    /// Bytes that the running attempt's upstream was sent to read.
    var promptByteCount = 0
    /// Deltas received: our count of tokens.
    var deltaCount = 0
}

/// How far a response is, in the log and in time.
struct GenerationProgress: Sendable {
    /// Session sequence number of its first event.
    var firstSequence: Int?
    /// Events so far: one more than the last `sequence_number`.
    var eventCount = 0
    /// Seconds since 1970.
    var completedAt: Int?
    /// Items in the conversation when it ended: where a fork from this response begins.
    var conversationItemCount: Int?
}

/// The output of a response while it is being made.
struct OutputDraft {
    var items: [OutputItem] = []
    /// The one that text is added to.
    var openItem: OutputItem?
    /// Provider data of tool calls that come yet, by index.
    var awaitedToolData: [Int: ProviderData] = [:]
    /// Bytes of text, reasoning, arguments and provider data.
    var byteCount = 0

    /// What was said of the answer so far: neither reasoning nor a tool's arguments.
    var partialText: String { items.last { $0.isMessage }?.text ?? "" }
    var partialItemID: String? { openItem?.id ?? items.last?.id }
    /// Whether it stands in the middle of the answer's text.
    var endsInText: Bool { items.last.map { $0.isMessage } ?? false }
}

/// Steers that wait at a response, and those that it took from another one.
struct Steers {
    /// Steers that wait for the outputs of its tools; see ``Session/keep(_:for:)``.
    var pending: [PendingSteer] = []
    /// Those that it took when it began.
    var taken: TakenSteers?
}

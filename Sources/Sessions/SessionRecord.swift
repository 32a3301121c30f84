public import JSON

/// The identity and parameters of a session, without its contents; stored, and used to restore it.
public struct SessionRecord: Sendable, Equatable {
    /// Prefix of the identifiers of sessions created as conversations.
    public static let conversationPrefix = "conv_"

    /// The session's identifier.
    public var id: String
    /// The principal that owns it.
    public var owner: String
    /// Seconds since 1970.
    public var createdAt: Int
    /// Parameters of inputs without parameters of their own.
    public var defaults: ResponseParameters
    /// The mode of inputs without one of their own.
    public var mode: InterjectionMode
    /// The policy of inputs without one of their own.
    public var policy: DisconnectPolicy
    /// The client's metadata.
    public var metadata: JSONValue
    /// The response at which the conversation was branched.
    public var forkedFrom: String?

    /// A record with these members.
    public init(
        id: String, owner: String, createdAt: Int, defaults: ResponseParameters, mode: InterjectionMode, policy: DisconnectPolicy,
        metadata: JSONValue, forkedFrom: String?
    ) {
        self.id = id
        self.owner = owner
        self.createdAt = createdAt
        self.defaults = defaults
        self.mode = mode
        self.policy = policy
        self.metadata = metadata
        self.forkedFrom = forkedFrom
    }
}

/// The stored form of a response, written when it is created, when it begins and when it ends.
public struct GenerationRecord: Sendable {
    /// The response's identifier.
    public var id: String
    /// Number among the session's responses.
    public var ordinal: Int
    /// Seconds since 1970.
    public var createdAt: Int
    /// The parameters of the response.
    public var parameters: ResponseParameters
    /// The previous response in the conversation.
    public var previousResponseID: String?
    /// The input and the conditions of the response.
    let request: GenerationRequest
    /// The complete output; empty before the end.
    public var output: [Item]
    /// The status.
    public var status: Generation.Status
    let tally: UsageTally
    let progress: GenerationProgress
    /// The upstreams that were tried, including before a restart.
    public var route: ResponseRoute
    /// Whether the text has the required format.
    public var verdict: OutputVerdict?
    /// The steps of the agent behind the model.
    public var steps: [Step]
    /// Steers that wait for the outputs of its tool calls.
    public var pendingSteers: [PendingSteer]
    /// How the response was ending, if it was complete but had not ended.
    public var conclusion: Generation.Conclusion?

    /// A record with these members.
    public init(
        id: String, ordinal: Int, createdAt: Int, completedAt: Int?, parameters: ResponseParameters, previousResponseID: String?,
        policy: DisconnectPolicy, input: [Item], output: [Item], status: Generation.Status, usage: Usage?, deltaCount: Int,
        conversationItemCount: Int?, firstSequence: Int?, eventCount: Int, continuesLastMessage: Bool, route: ResponseRoute,
        verdict: OutputVerdict? = nil, steps: [Step] = [], pendingSteers: [PendingSteer] = [], spent: Usage? = nil,
        promptByteCount: Int = 0, keyID: String? = nil, conclusion: Generation.Conclusion? = nil
    ) {
        self.id = id
        self.ordinal = ordinal
        self.createdAt = createdAt
        self.parameters = parameters
        self.previousResponseID = previousResponseID
        request = GenerationRequest(input: input, policy: policy, keyID: keyID, continuesLastMessage: continuesLastMessage)
        self.output = output
        self.status = status
        tally = UsageTally(usage: usage, spent: spent, promptByteCount: promptByteCount, deltaCount: deltaCount)
        progress = GenerationProgress(
            firstSequence: firstSequence, eventCount: eventCount, completedAt: completedAt,
            conversationItemCount: conversationItemCount)
        self.route = route
        self.verdict = verdict
        self.steps = steps
        self.pendingSteers = pendingSteers
        self.conclusion = conclusion
    }

    /// The current state of a response.
    init(_ generation: Generation) {
        id = generation.id
        ordinal = generation.header.ordinal
        createdAt = generation.createdAt
        parameters = generation.parameters
        previousResponseID = generation.previousResponseID
        request = generation.request
        output = generation.output
        status = generation.status
        tally = generation.tally
        progress = generation.progress
        route = generation.route
        verdict = generation.verdict
        steps = generation.steps
        pendingSteers = generation.pendingSteers
        conclusion = generation.phase.conclusion
    }
}

extension GenerationRecord {
    /// What happens when its last listener disconnects.
    public var policy: DisconnectPolicy { request.policy }
    /// The input that it responds to.
    public var input: [Item] { request.input }
    /// Whether its text continues the previous assistant message.
    public var continuesLastMessage: Bool { request.continuesLastMessage }
    /// The key that its usage is attributed to.
    public var keyID: String? { request.keyID }

    /// Token counts, once known.
    public var usage: Usage? { tally.usage }
    /// Usage before a restart.
    public var spent: Usage? { tally.spent }
    /// Size of the current attempt's prompt in bytes.
    public var promptByteCount: Int { tally.promptByteCount }
    /// Number of deltas received.
    public var deltaCount: Int { tally.deltaCount }

    /// Session sequence number of its first event.
    public var firstSequence: Int? { progress.firstSequence }
    /// Number of events so far.
    public var eventCount: Int { progress.eventCount }
    /// Seconds since 1970.
    public var completedAt: Int? { progress.completedAt }
    /// Number of items in the conversation when it ended.
    public var conversationItemCount: Int? { progress.conversationItemCount }
}

/// A stored session, as restored by ``Session/init(restoring:host:log:limits:)``.
public struct StoredSession: Sendable {
    /// Identity and parameters.
    public var record: SessionRecord
    /// The conversation.
    public var items: [Item]
    /// Oldest first.
    public var generations: [GenerationRecord]
    /// Response headers that events of the log refer to, by ordinal.
    public var headers: [Int: ResponseHeader]
    /// The events of unfinished responses, by ordinal.
    public var unfinishedEvents: [Int: [SessionEvent]]
    /// Ordinal of the newest response ever made.
    public var newestOrdinal: Int

    /// A stored session with these parts.
    public init(
        record: SessionRecord, items: [Item], generations: [GenerationRecord], headers: [Int: ResponseHeader],
        unfinishedEvents: [Int: [SessionEvent]], newestOrdinal: Int
    ) {
        self.headers = headers
        self.record = record
        self.items = items
        self.generations = generations
        self.unfinishedEvents = unfinishedEvents
        self.newestOrdinal = newestOrdinal
    }
}

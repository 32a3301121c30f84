public import JSON

/// What a session is made of, without what has happened in it: to be kept, and to be made again from.
public struct SessionRecord: Sendable, Equatable {
    /// What the identifier of a session begins with that was made as a conversation.
    public static let conversationPrefix = "conv_"

    public var id: String
    public var owner: String
    /// Seconds since 1970.
    public var createdAt: Int
    public var defaults: ResponseParameters
    public var mode: InterjectionMode
    public var policy: DisconnectPolicy
    public var metadata: JSONValue
    public var forkedFrom: String?

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

/// A response as it stood when it was made, had begun or had ended.
public struct GenerationRecord: Sendable {
    public var id: String
    /// Its number among the responses of its session.
    public var ordinal: Int
    /// Seconds since 1970.
    public var createdAt: Int
    public var parameters: ResponseParameters
    public var previousResponseID: String?
    /// What it was asked with.
    let request: GenerationRequest
    public var output: [Item]
    public var status: Generation.Status
    let tally: UsageTally
    let progress: GenerationProgress
    /// Which upstreams were asked, also before the server was started again.
    public var route: ResponseRoute
    /// Whether its answer met the format that was asked for.
    public var verdict: OutputVerdict?
    /// What the agent behind the model did.
    public var steps: [Step]
    /// Steers that wait for the outputs of its tools.
    public var pendingSteers: [PendingSteer]
    /// How its end was being found or told, if it was whole and had not ended.
    public var conclusion: Generation.Conclusion?

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

    /// A response as it stands.
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
    public var policy: DisconnectPolicy { request.policy }
    public var input: [Item] { request.input }
    /// Whether its text goes on from the assistant message before it.
    public var continuesLastMessage: Bool { request.continuesLastMessage }
    /// The key that its usage is counted for.
    public var keyID: String? { request.keyID }

    public var usage: Usage? { tally.usage }
    /// What was used of it before the server was started again.
    public var spent: Usage? { tally.spent }
    /// Bytes that the running attempt's upstream was sent to read.
    public var promptByteCount: Int { tally.promptByteCount }
    /// Deltas received.
    public var deltaCount: Int { tally.deltaCount }

    /// Session sequence number of its first event.
    public var firstSequence: Int? { progress.firstSequence }
    /// Events so far.
    public var eventCount: Int { progress.eventCount }
    /// Seconds since 1970.
    public var completedAt: Int? { progress.completedAt }
    /// Items in the conversation when it ended.
    public var conversationItemCount: Int? { progress.conversationItemCount }
}

/// A session as it was kept: what ``Session/init(restoring:host:log:limits:)`` makes a session of.
public struct StoredSession: Sendable {
    public var record: SessionRecord
    public var items: [Item]
    /// Oldest first.
    public var generations: [GenerationRecord]
    /// What the events of the log share, by the response's ordinal.
    public var headers: [Int: ResponseHeader]
    /// The events of responses that had not ended, by the response's ordinal.
    public var unfinishedEvents: [Int: [SessionEvent]]
    /// Of the responses that were ever made, the ordinal of the newest.
    public var newestOrdinal: Int

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

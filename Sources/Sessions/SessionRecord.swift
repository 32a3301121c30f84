public import JSON

/// What a session is made of, without what has happened in it: to be kept, and to be made again from.
public struct SessionRecord: Sendable {
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
    public var createdAt: Int
    public var completedAt: Int?
    public var parameters: ResponseParameters
    public var previousResponseID: String?
    public var policy: DisconnectPolicy
    public var input: [Item]
    public var output: [Item]
    public var status: Generation.Status
    public var usage: Usage?
    /// Deltas received.
    public var deltaCount: Int
    /// Items in the conversation when it ended.
    public var conversationItemCount: Int?
    /// Session sequence number of its first event.
    public var firstSequence: Int?
    /// Events so far.
    public var eventCount: Int
    public var continuesLastMessage: Bool
    /// Which upstreams were asked, also before the server was started again.
    public var route: ResponseRoute
    /// Whether its answer met the format that was asked for.
    public var verdict: OutputVerdict?
    /// What the agent behind the model did.
    public var steps: [Step]
    /// Steers that wait for the outputs of its tools.
    public var pendingSteers: [PendingSteer]
    /// What was used of it before the server was started again.
    public var spent: Usage?
    /// Bytes that the running attempt's upstream was sent to read.
    public var promptByteCount: Int
    /// The key that its usage is counted for.
    public var keyID: String?
    /// How its end was being found or told, if it was whole and had not ended.
    public var conclusion: Generation.Conclusion?

    public init(
        id: String, ordinal: Int, createdAt: Int, completedAt: Int?, parameters: ResponseParameters, previousResponseID: String?,
        policy: DisconnectPolicy, input: [Item], output: [Item], status: Generation.Status, usage: Usage?, deltaCount: Int,
        conversationItemCount: Int?, firstSequence: Int?, eventCount: Int, continuesLastMessage: Bool, route: ResponseRoute,
        verdict: OutputVerdict? = nil, steps: [Step] = [], pendingSteers: [PendingSteer] = [], spent: Usage? = nil,
        promptByteCount: Int = 0, keyID: String? = nil, conclusion: Generation.Conclusion? = nil
    ) {
        self.pendingSteers = pendingSteers
        self.spent = spent
        self.promptByteCount = promptByteCount
        self.keyID = keyID
        self.conclusion = conclusion
        self.id = id
        self.ordinal = ordinal
        self.createdAt = createdAt
        self.completedAt = completedAt
        self.parameters = parameters
        self.previousResponseID = previousResponseID
        self.policy = policy
        self.input = input
        self.output = output
        self.status = status
        self.usage = usage
        self.deltaCount = deltaCount
        self.conversationItemCount = conversationItemCount
        self.firstSequence = firstSequence
        self.eventCount = eventCount
        self.continuesLastMessage = continuesLastMessage
        self.route = route
        self.verdict = verdict
        self.steps = steps
    }
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

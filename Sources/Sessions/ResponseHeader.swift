import Synchronization

/// What all events of a response share: what it was asked with, and, once it has ended, what came of it. An encoder needs it, the
/// event and the items that the event is about, and nothing else. Compared by identity; safe from any thread.
public final class ResponseHeader: Sendable {
    /// The response's identifier.
    public let id: String
    /// The session whose log it is in.
    public let sessionID: String
    /// Its number among the responses of its session: 1, 2, 3 … in the order in which they were made. What events name it by.
    public let ordinal: Int
    /// Seconds since 1970.
    public let createdAt: Int
    public let parameters: ResponseParameters
    public let policy: DisconnectPolicy

    private struct Known {
        var previousResponseID: String?
        var failure: GenerationError?
        var upstream: String?
        var ending: ResponseState?
        /// What is said, in its order; of a response that had ended when it was read, made when it is asked for.
        var items: [ResponseItem] = []
    }

    private let known: Mutex<Known>

    public init(
        _ id: String, sessionID: String, ordinal: Int, createdAt: Int = 0,
        parameters: ResponseParameters = ResponseParameters(model: ""), policy: DisconnectPolicy = .continuing,
        previousResponseID: String? = nil
    ) {
        self.id = id
        self.sessionID = sessionID
        self.ordinal = ordinal
        self.createdAt = createdAt
        self.parameters = parameters
        self.policy = policy
        known = Mutex(Known(previousResponseID: previousResponseID))
    }

    /// As it was stored.
    public convenience init(_ record: GenerationRecord, sessionID: String) {
        self.init(
            record.id, sessionID: sessionID, ordinal: record.ordinal, createdAt: record.createdAt, parameters: record.parameters,
            policy: record.policy, previousResponseID: record.previousResponseID)
        upstream = record.route.upstream
        if case .failed(let error) = record.status { failure = error }
        if record.status.isTerminal { end(as: ResponseState(record)) }
    }

    /// The response before it in the conversation: settled when it begins, since others may cut in while it waits.
    public internal(set) var previousResponseID: String? {
        get { known.withLock { $0.previousResponseID } }
        set { known.withLock { $0.previousResponseID = newValue } }
    }

    /// Why it failed, from the moment of its `error` event on: with what a client that has seen no event needs (its status, when to
    /// try again) and the event does not hold.
    public internal(set) var failure: GenerationError? {
        get { known.withLock { $0.failure } }
        set { known.withLock { $0.failure = newValue } }
    }

    /// The upstream that answers, or was asked last; by its name in the configuration.
    public internal(set) var upstream: String? {
        get { known.withLock { $0.upstream } }
        set { known.withLock { $0.upstream = newValue } }
    }

    /// What came of it; nil until its last event.
    public var ending: ResponseState? { known.withLock { $0.ending } }

    func end(as state: ResponseState) { known.withLock { $0.ending = state } }

    /// Takes the next item of what is said.
    func add(_ item: ResponseItem) { known.withLock { $0.items.append(item) } }

    /// An item of what was said so far; nil for an index that none has.
    public func item(at index: Int) -> ResponseItem? {
        known.withLock { known in
            if known.items.isEmpty, let output = known.ending?.output {
                known.items = output.enumerated().map { ResponseItem($1, index: $0) }
            }
            if known.items.indices.contains(index), known.items[index].index == index { return known.items[index] }
            return known.items.first { $0.index == index }
        }
    }
}

/// A response as it stands at one moment: what its object tells besides its header.
public struct ResponseState: Sendable {
    public var status: Generation.Status
    /// Seconds since 1970.
    public var completedAt: Int?
    /// What was said.
    public var output: [Item] = []
    public var usage: Usage?
    public var verdict: OutputVerdict?
    public var route = ResponseRoute()
    public var steps: [Step] = []
    /// Deltas received.
    public var deltaCount = 0
    /// The number of its last event.
    public var lastResponseSequence: Int

    /// Bytes of all texts that were said, in UTF-8.
    public var textByteCount: Int { output.reduce(0) { $0 + $1.byteCount } }

    init(_ record: GenerationRecord) {
        status = record.status
        completedAt = record.completedAt
        output = record.output
        usage = record.usage
        verdict = record.verdict
        route = record.route
        steps = record.steps
        deltaCount = record.deltaCount
        lastResponseSequence = record.eventCount - 1
    }

    init(_ generation: Generation, lastResponseSequence: Int) {
        status = generation.status
        completedAt = generation.completedAt
        output = generation.status.isTerminal ? generation.output : generation.draft.items.map(\.item)
        usage = generation.usage
        verdict = generation.verdict
        route = generation.route
        steps = generation.steps
        deltaCount = generation.deltaCount
        self.lastResponseSequence = lastResponseSequence
    }
}

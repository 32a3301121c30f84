import Synchronization

/// What all events of a response share: its parameters, and its outcome once it has ended. An encoder needs only the header, the
/// event and the items that the event refers to. Compared by identity; safe from any thread.
public final class ResponseHeader: Sendable {
    /// The response's identifier.
    public let id: String
    /// The session whose log it is in.
    public let sessionID: String
    /// Number among the session's responses, in order of creation: 1, 2, 3 … Events refer to the response by it.
    public let ordinal: Int
    /// Seconds since 1970.
    public let createdAt: Int
    /// The parameters of the response.
    public let parameters: ResponseParameters
    /// What happens when its last listener disconnects.
    public let policy: DisconnectPolicy

    private struct Known {
        var previousResponseID: String?
        var failure: GenerationError?
        var upstream: String?
        var ending: ResponseState?
        /// The output in order; for a response that had ended when it was loaded, made on demand.
        var items: [ResponseItem] = []
    }

    private let known: Mutex<Known>

    /// The header of a new response.
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

    /// The header of a stored response.
    public convenience init(_ record: GenerationRecord, sessionID: String) {
        self.init(
            record.id, sessionID: sessionID, ordinal: record.ordinal, createdAt: record.createdAt, parameters: record.parameters,
            policy: record.policy, previousResponseID: record.previousResponseID)
        upstream = record.route.upstream
        if case .failed(let error) = record.status { failure = error }
        if record.status.isTerminal { end(as: ResponseState(record)) }
    }

    /// The previous response in the conversation; determined when this one begins, since others may come in between while it waits.
    public internal(set) var previousResponseID: String? {
        get { known.withLock { $0.previousResponseID } }
        set { known.withLock { $0.previousResponseID = newValue } }
    }

    /// Why the response failed, from its `error` event on: includes what a client without any event needs (HTTP status, delay
    /// before a retry) and the event lacks.
    public internal(set) var failure: GenerationError? {
        get { known.withLock { $0.failure } }
        set { known.withLock { $0.failure = newValue } }
    }

    /// The upstream that responds, or was tried last; its name in the configuration.
    public internal(set) var upstream: String? {
        get { known.withLock { $0.upstream } }
        set { known.withLock { $0.upstream = newValue } }
    }

    /// The outcome; nil until the last event.
    public var ending: ResponseState? { known.withLock { $0.ending } }

    func end(as state: ResponseState) { known.withLock { $0.ending = state } }

    /// Adds the next output item.
    func add(_ item: ResponseItem) { known.withLock { $0.items.append(item) } }

    /// An output item; nil if there is none at this index.
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

/// A response at one moment: the contents of its object besides those of its header.
public struct ResponseState: Sendable {
    /// The status.
    public var status: Generation.Status
    /// Seconds since 1970.
    public var completedAt: Int?
    /// The output items.
    public var output: [Item] = []
    /// Token counts, once known.
    public var usage: Usage?
    /// Whether the text has the required format; nil if none is required.
    public var verdict: OutputVerdict?
    /// The upstreams that were tried.
    public var route = ResponseRoute()
    /// The steps of an agent.
    public var steps: [Step] = []
    /// Number of deltas received.
    public var deltaCount = 0
    /// Number of its last event.
    public var lastResponseSequence: Int

    /// Size of all texts of the output in UTF-8 bytes.
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

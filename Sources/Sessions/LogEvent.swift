import Synchronization

/// The type of an event, as it stands in its JSON.
///
/// The vocabulary is OpenAI's for `response.*` and `error`; ours has the prefix `interject:`.
public enum EventType: String, Sendable {
    case responseCreated = "response.created"
    case responseInProgress = "response.in_progress"
    case responseCompleted = "response.completed"
    case responseIncomplete = "response.incomplete"
    case responseFailed = "response.failed"
    case responseCancelled = "response.cancelled"
    case outputItemAdded = "response.output_item.added"
    case outputItemDone = "response.output_item.done"
    case contentPartAdded = "response.content_part.added"
    case contentPartDone = "response.content_part.done"
    case outputTextDelta = "response.output_text.delta"
    case outputTextDone = "response.output_text.done"
    case refusalDelta = "response.refusal.delta"
    case refusalDone = "response.refusal.done"
    case reasoningTextDelta = "response.reasoning_text.delta"
    case reasoningTextDone = "response.reasoning_text.done"
    case functionCallArgumentsDelta = "response.function_call_arguments.delta"
    case functionCallArgumentsDone = "response.function_call_arguments.done"
    case customToolCallInputDelta = "response.custom_tool_call_input.delta"
    case customToolCallInputDone = "response.custom_tool_call_input.done"
    case steerAccepted = "response.steer.accepted"
    case error = "error"
    case step = "interject:step"
    case sessionCreated = "interject:session.created"
    case participantJoined = "interject:participant.joined"
    case participantLeft = "interject:participant.left"
    case inputAccepted = "interject:input.accepted"
    case cancelled = "interject:cancelled"
    case rolledBack = "interject:rolled_back"
    case itemsAdded = "interject:items.added"
    case itemsDeleted = "interject:items.deleted"
    case validation = "interject:validation"

    /// The type of an event as it stands in a log: every payload begins with it.
    public init?(payload: [UInt8]) {
        let head = #"{"type":""#
        guard payload.starts(with: head.utf8), let end = payload[head.utf8.count...].firstIndex(of: UInt8(ascii: "\"")) else {
            return nil
        }
        self.init(rawValue: String(decoding: payload[head.utf8.count..<end], as: UTF8.self))
    }

    /// Whether it is the last event of its response.
    public var isTerminal: Bool {
        switch self {
        case .responseCompleted, .responseIncomplete, .responseFailed, .responseCancelled: true
        default: false
        }
    }

    /// Whether it says once more what deltas have said.
    var repeatsText: Bool {
        switch self {
        case .outputTextDone, .refusalDone, .reasoningTextDone, .functionCallArgumentsDone, .customToolCallInputDone,
            .contentPartDone, .outputItemDone:
            true
        default: isTerminal
        }
    }

    /// Whether it carries a piece of a longer text.
    public var isDelta: Bool {
        switch self {
        case .outputTextDelta, .refusalDelta, .reasoningTextDelta, .functionCallArgumentsDelta, .customToolCallInputDelta: true
        default: false
        }
    }
}

/// One event of a session's log. Immutable, and shared by all who read it: framed by each face, encoded once.
public struct LogEvent: Sendable {
    /// Place in the session's log: 1, 2, 3 … without gaps.
    public let sequence: Int
    /// For deltas that were joined on the way to one reader: the place of the first; nil for events as they stand in the log.
    public var mergedFrom: Int?
    public let type: EventType
    /// The generation that it is part of.
    public let response: ResponseReference?
    /// `sequence_number` within the response; -1 where there is none.
    public let responseSequence: Int
    /// The event as a JSON object in UTF-8.
    public let payload: [UInt8]
    /// For deltas: where in `payload` the contents of the JSON string `delta` stand, still escaped.
    public let delta: Range<Int>
    /// For events of output items: `output_index`.
    public let outputIndex: Int
    /// Bytes of the log up to the end of this event, from its beginning.
    public let endOffset: Int

    public init(
        sequence: Int, mergedFrom: Int? = nil, type: EventType, response: ResponseReference?, responseSequence: Int,
        payload: [UInt8], delta: Range<Int>, outputIndex: Int, endOffset: Int
    ) {
        self.sequence = sequence
        self.mergedFrom = mergedFrom
        self.type = type
        self.response = response
        self.responseSequence = responseSequence
        self.payload = payload
        self.delta = delta
        self.outputIndex = outputIndex
        self.endOffset = endOffset
    }

    /// Bytes that the event is counted with: its payload and what keeping it costs.
    public var byteCount: Int { Self.byteCount(ofPayload: payload.count) }

    public static func byteCount(ofPayload count: Int) -> Int { count + 104 }
}

/// Which generation an event belongs to: compared by identity, so that a filter on the token path costs one comparison.
public final class ResponseReference: Sendable {
    /// The response's identifier.
    public let id: String
    /// The session whose log it is in.
    public let sessionID: String
    private let storedFailure = Mutex<GenerationError?>(nil)

    public init(_ id: String, sessionID: String) {
        self.id = id
        self.sessionID = sessionID
    }

    /// Why it failed, from the moment of its `error` event on: with what a client that has seen no event needs (its status, when to
    /// try again) and the event does not hold.
    public internal(set) var failure: GenerationError? {
        get { storedFailure.withLock { $0 } }
        set { storedFailure.withLock { $0 = newValue } }
    }

    private let storedUpstream = Mutex<String?>(nil)

    /// The upstream that answers, or was asked last; by its name in the configuration.
    public internal(set) var upstream: String? {
        get { storedUpstream.withLock { $0 } }
        set { storedUpstream.withLock { $0 = newValue } }
    }
}

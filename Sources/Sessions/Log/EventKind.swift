/// The kind of an event. The numbers are stored and never reused; a kind that a reader does not know is skipped.
///
/// There is one kind for each event of the Responses vocabulary and of the server's own, so that a position counts the same events
/// for every reader. Their names in a vocabulary are up to its encoder.
public enum EventKind: UInt8, Sendable, CaseIterable {
    // Events of the session.
    case sessionCreated = 1
    case participantJoined = 2
    case participantLeft = 3
    case inputAccepted = 4
    case cancelled = 5
    case rolledBack = 6
    case itemsAdded = 7
    case itemsDeleted = 8
    case itemsInserted = 9
    case itemReplaced = 10
    case itemTruncated = 11

    // Events of a response, numbered within it.
    case responseCreated = 16
    case responseInProgress = 17
    case responseCompleted = 18
    case responseIncomplete = 19
    case responseFailed = 20
    case responseCancelled = 21
    case steerAccepted = 22
    case error = 23
    case step = 24
    case validation = 25

    // Events of an output item.
    case outputItemAdded = 32
    case outputItemDone = 33
    case contentPartAdded = 34
    case contentPartDone = 35
    case outputTextDelta = 36
    case outputTextDone = 37
    case refusalDelta = 38
    case refusalDone = 39
    case reasoningTextDelta = 40
    case reasoningTextDone = 41
    case functionCallArgumentsDelta = 42
    case functionCallArgumentsDone = 43
    case customToolCallInputDelta = 44
    case customToolCallInputDone = 45

    /// Whether it is the last event of its response.
    public var isTerminal: Bool {
        switch self {
        case .responseCompleted, .responseIncomplete, .responseFailed, .responseCancelled: true
        default: false
        }
    }

    /// Whether it contains a piece of an item's text.
    public var isDelta: Bool {
        switch self {
        case .outputTextDelta, .refusalDelta, .reasoningTextDelta, .functionCallArgumentsDelta, .customToolCallInputDelta: true
        default: false
        }
    }

    /// Whether it repeats the whole text of an item.
    public var repeatsText: Bool {
        switch self {
        case .outputTextDone, .refusalDone, .reasoningTextDone, .functionCallArgumentsDone, .customToolCallInputDone,
            .contentPartDone, .outputItemDone:
            true
        default: isTerminal
        }
    }
}

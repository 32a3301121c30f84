/// What an event tells. The numbers stand on the disk and are never given to another kind; a kind that a reader does not know is
/// skipped.
///
/// One kind for each event of the Responses vocabulary and for each of ours, so that a position counts the same events for every
/// reader. What a vocabulary calls them is the business of its encoder.
public enum EventKind: UInt8, Sendable, CaseIterable {
    // The session's own.
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

    // A response's: each has a number within it.
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

    // An output item's.
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

    /// Whether it carries a piece of an item's text.
    public var isDelta: Bool {
        switch self {
        case .outputTextDelta, .refusalDelta, .reasoningTextDelta, .functionCallArgumentsDelta, .customToolCallInputDelta: true
        default: false
        }
    }

    /// Whether it tells the whole text of an item once more.
    public var repeatsText: Bool {
        switch self {
        case .outputTextDone, .refusalDone, .reasoningTextDone, .functionCallArgumentsDone, .customToolCallInputDone,
            .contentPartDone, .outputItemDone:
            true
        default: isTerminal
        }
    }
}

/// What an outgoing queue does when its reader does not keep up. Each has a bound in bytes; none waits for the reader, and none
/// loses anything but what its policy says.
public enum QueuePolicy: String, Sendable, CaseIterable {
    /// Every event, in order, or an error that says that it is over.
    case losslessOrClose = "lossless-or-close"
    /// Adjacent deltas of one item become one event: nothing is lost, and it is smaller.
    case mergeDeltas = "merge-deltas"
    /// Of each key only the newest: awareness, presence.
    case latestPerKey = "latest-per-key"
    /// What is gone is replaced by the state in its place.
    case snapshot
}

/// How a ``Cursor`` is served from the log when it lags. The log is its queue: it costs nothing while it waits.
public struct CatchUp: Sendable, Hashable {
    /// What it gets when the log no longer holds its place: the end, or the state and then what follows that.
    public enum WhenPlaceIsGone: Sendable { case close, snapshot }

    public var whenPlaceIsGone: WhenPlaceIsGone
    /// Whether adjacent deltas that wait in the log come as one event.
    public var mergesDeltas: Bool

    public init(whenPlaceIsGone: WhenPlaceIsGone, mergesDeltas: Bool = false) {
        self.whenPlaceIsGone = whenPlaceIsGone
        self.mergesDeltas = mergesDeltas
    }

    /// For faces whose events are numbered without gaps and have no form for a state.
    public static let losslessOrClose = CatchUp(whenPlaceIsGone: .close)
    /// For faces that know `interject:snapshot`.
    public static let snapshot = CatchUp(whenPlaceIsGone: .snapshot)
}

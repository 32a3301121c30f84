/// How an outgoing queue treats a reader that does not keep up. Every queue is bounded in bytes; none waits for the reader, and
/// none loses anything that its policy does not mention.
public enum QueuePolicy: String, Sendable, CaseIterable {
    /// Every event, in order, or an error that ends the stream.
    case losslessOrClose = "lossless-or-close"
    /// Adjacent deltas of one item are merged into one event: nothing is lost, and it is smaller.
    case mergeDeltas = "merge-deltas"
    /// Only the newest value of each key: awareness, presence.
    case latestPerKey = "latest-per-key"
    /// Lost events are replaced by a snapshot of the state.
    case snapshot
}

/// How a lagging ``Cursor`` is served from the log, which is its queue: a waiting cursor costs nothing.
public struct CatchUp: Sendable, Hashable {
    /// When the log no longer has the next event: close the reader, or deliver a snapshot and continue after it.
    public enum WhenPlaceIsGone: Sendable { case close, snapshot }

    /// What happens when the log no longer has the next event.
    public var whenPlaceIsGone: WhenPlaceIsGone
    /// Whether adjacent deltas waiting in the log are merged into one event.
    public var mergesDeltas: Bool

    /// Without merging unless requested.
    public init(whenPlaceIsGone: WhenPlaceIsGone, mergesDeltas: Bool = false) {
        self.whenPlaceIsGone = whenPlaceIsGone
        self.mergesDeltas = mergesDeltas
    }

    /// For faces that number events without gaps and have no representation of a state.
    public static let losslessOrClose = CatchUp(whenPlaceIsGone: .close)
    /// For faces that know `interject:snapshot`.
    public static let snapshot = CatchUp(whenPlaceIsGone: .snapshot)
}

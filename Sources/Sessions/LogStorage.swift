public import JSON

/// Where the events of one session are kept, and what else of it must outlive the process. Loop-confined, like its session.
///
/// The session appends an event here before it shows it to anybody, and shows it when the log says that it is safe.
public protocol LogStorage: AnyObject {
    /// Sequence number of the newest event; 0 when there was none.
    var lastSequence: Int { get }
    /// Sequence number of the newest event that is safe: readers get none after it.
    var committedSequence: Int { get }
    /// Sequence number of the oldest event held in memory; `lastSequence + 1` when none is.
    var oldestSequence: Int { get }
    /// Sequence number of the oldest event that ``fetch(after:then:)`` finds; as ``oldestSequence`` where there is no other place.
    var oldestStoredSequence: Int { get }
    /// Bytes held in memory now.
    var byteCount: Int { get }
    /// Whether so much waits to be made safe that more should not be made. Who was told so is told by ``onCommit`` when it is over.
    var isCongested: Bool { get }
    /// Called when ``committedSequence`` has grown or congestion is over, with its value before, on the session's loop and never
    /// from within another call.
    var onCommit: ((_ previous: Int) -> Void)? { get set }
    /// Asked when events have to go from memory: the position of the reader furthest behind of those that must get every event.
    var leastNeededPosition: (() -> Int)? { get set }
    /// Drops from memory what had to stay for a reader and need not any more.
    func trim()
    /// Keeps an event. - Precondition: `event.sequence == lastSequence + 1`.
    func append(_ event: LogEvent)
    /// Keeps something that is no event.
    func keep(_ change: SessionChange)
    /// The event after `sequence`. - Precondition: ``holdsAll(after:)`` and `sequence < lastSequence`.
    func event(after sequence: Int) -> LogEvent
    /// Reads events that memory does not hold, a page of them.
    /// - Parameter then: called later on the session's loop; with nothing when they cannot be had.
    func fetch(after sequence: Int, then: @escaping ([LogEvent]) -> Void)
    /// Runs the action when everything that was appended and kept until now is safe: at once, if it is.
    func whenCommitted(_ action: @escaping () -> Void)
}

/// What of a session must outlive the process, besides its events.
public enum SessionChange: Sendable {
    /// It was made.
    case created(SessionRecord)
    /// Items were taken into the conversation, from this place on.
    case remembered([Item], position: Int)
    /// An item was taken out of the conversation; those after it moved up.
    case itemDeleted(position: Int)
    /// The session has other metadata.
    case metadata(JSONValue)
    /// A response was made, has begun, or has ended.
    case response(GenerationRecord)
    /// A response is to be found no more.
    case responseDeleted(String)
}

extension LogStorage {
    /// Whether a reader that has seen `sequence` finds everything after it in memory.
    public func holdsAll(after sequence: Int) -> Bool {
        sequence >= oldestSequence - 1 && sequence <= lastSequence
    }

    /// Whether a reader that has seen `sequence` can have everything after it, from memory or by ``fetch(after:then:)``.
    public func canProvideAll(after sequence: Int) -> Bool {
        sequence >= min(oldestSequence, oldestStoredSequence) - 1 && sequence <= lastSequence
    }

    /// Whether a reader that has seen a response's events up to `responseSequence` finds all of its others in memory. O(n) up to the
    /// first event of the response that is held.
    public func holdsAll(of response: ResponseReference, afterResponseSequence responseSequence: Int) -> Bool {
        var position = oldestSequence - 1
        while position < lastSequence {
            let event = event(after: position)
            if event.response === response { return event.responseSequence <= responseSequence + 1 }
            position = event.sequence
        }
        return false
    }
}

/// A log whose events are safe, as far as they will ever be, once they are in it.
extension LogStorage {
    public var committedSequence: Int { lastSequence }
    public var oldestStoredSequence: Int { oldestSequence }
    public var isCongested: Bool { false }
    public var onCommit: ((_ previous: Int) -> Void)? {
        get { nil }
        set {}
    }
    public var leastNeededPosition: (() -> Int)? {
        get { nil }
        set {}
    }
    public func trim() {}
    public func keep(_ change: SessionChange) {}
    public func fetch(after sequence: Int, then: @escaping ([LogEvent]) -> Void) { then([]) }
    public func whenCommitted(_ action: @escaping () -> Void) { action() }
}

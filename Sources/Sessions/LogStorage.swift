/// Where the events of one session are kept. Loop-confined, like its session.
///
/// The session appends an event here before it shows it to anybody.
public protocol LogStorage: AnyObject {
    /// Sequence number of the newest event; 0 when there was none.
    var lastSequence: Int { get }
    /// Sequence number of the oldest event still held; `lastSequence + 1` when none is.
    var oldestSequence: Int { get }
    /// Bytes held now.
    var byteCount: Int { get }
    /// Keeps an event. - Precondition: `event.sequence == lastSequence + 1`.
    func append(_ event: LogEvent)
    /// The event after `sequence`. - Precondition: ``holdsAll(after:)`` and `sequence < lastSequence`.
    func event(after sequence: Int) -> LogEvent
}

extension LogStorage {
    /// Whether a reader that has seen `sequence` finds everything after it.
    public func holdsAll(after sequence: Int) -> Bool {
        sequence >= oldestSequence - 1 && sequence <= lastSequence
    }

    /// Whether a reader that has seen a response's events up to `responseSequence` finds all of its others. O(n) up to the first
    /// event of the response that is held.
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

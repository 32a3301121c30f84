import DequeModule

/// The events of one session in memory, the oldest dropped when they pass a bound in bytes.
///
/// The events that end an item or a response repeat its text, up to four times, and are made within one call, so that no reader can
/// have taken any of them before the last. They would push each other out as soon as a text had a fifth of the bound: while a reader
/// that must get every event has not got them, they do not count.
public final class MemoryLog: LogStorage {
    private var events = Deque<LogEvent>()
    private let maxBytes: Int
    public private(set) var byteCount = 0
    /// Of these, those of events that repeat.
    private var repeatedByteCount = 0
    public private(set) var lastSequence = 0
    public var leastNeededPosition: (() -> Int)?
    /// Every event up to this one was got by all who must get it.
    private var droppableSequence = 0

    public init(maxBytes: Int) { self.maxBytes = maxBytes }

    public var oldestSequence: Int { lastSequence - events.count + 1 }

    public func append(_ event: LogEvent) {
        // number-safe: the session numbers its events itself, one after the other
        precondition(event.sequence == lastSequence + 1)
        events.append(event)
        lastSequence = event.sequence
        byteCount += event.byteCount
        if event.type.repeatsText { repeatedByteCount += event.byteCount }
        trim()
    }

    public func trim() {
        // The newest stays whatever its size: a log that cannot hold its last event could tell nobody anything.
        while byteCount > maxBytes, events.count > 1, let oldest = events.first, mayDrop(oldest) {
            events.removeFirst()
            byteCount -= oldest.byteCount
            if oldest.type.repeatsText { repeatedByteCount -= oldest.byteCount }
        }
    }

    private func mayDrop(_ oldest: LogEvent) -> Bool {
        if byteCount - repeatedByteCount > maxBytes || oldest.sequence <= droppableSequence { return true }
        droppableSequence = min(leastNeededPosition?() ?? .max, lastSequence)
        return oldest.sequence <= droppableSequence
    }

    public func event(after sequence: Int) -> LogEvent {
        events[sequence - oldestSequence + 1]
    }
}

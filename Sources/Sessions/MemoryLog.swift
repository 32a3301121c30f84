import DequeModule

/// The events of one session in memory, the oldest dropped when they pass a bound in bytes.
public final class MemoryLog: LogStorage {
    private var events = Deque<LogEvent>()
    private let maxBytes: Int
    public private(set) var byteCount = 0
    public private(set) var lastSequence = 0

    public init(maxBytes: Int) { self.maxBytes = maxBytes }

    public var oldestSequence: Int { lastSequence - events.count + 1 }

    public func append(_ event: LogEvent) {
        // number-safe: the session numbers its events itself, one after the other
        precondition(event.sequence == lastSequence + 1)
        events.append(event)
        lastSequence = event.sequence
        byteCount += event.byteCount
        // The newest stays whatever its size: a log that cannot hold its last event could tell nobody anything.
        while byteCount > maxBytes, events.count > 1, let oldest = events.popFirst() {
            byteCount -= oldest.byteCount
        }
    }

    public func event(after sequence: Int) -> LogEvent {
        events[sequence - oldestSequence + 1]
    }
}

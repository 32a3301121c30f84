/// Adjacent deltas of one item, joined to one event on their way to a reader that lags.
///
/// The contents of JSON strings join without being read: each piece is escaped for itself, and no escape reaches over its end.
public struct DeltaRun {
    /// Bytes of text in one event, unless one delta alone has more: far under what a connection may have waiting.
    static let maxDeltaByteCount = 16 * 1024

    private let first: LogEvent
    private var last: LogEvent
    /// Empty as long as the first is alone.
    private var text: [UInt8] = []

    /// Nil for an event that is no delta.
    init?(_ event: LogEvent) {
        guard event.type.isDelta else { return nil }
        first = event
        last = event
    }

    /// Takes the event that follows in the log; false if it belongs to no delta before it, or the run is full.
    mutating func absorb(_ next: LogEvent) -> Bool {
        guard next.type == first.type, next.response === first.response, next.outputIndex == first.outputIndex,
            next.sequence == last.sequence + 1
        else { return false }
        let held = text.isEmpty ? first.delta.count : text.count
        guard held + next.delta.count <= Self.maxDeltaByteCount else { return false }
        if text.isEmpty { text += first.payload[first.delta] }
        text += next.payload[next.delta]
        last = next
        return true
    }

    /// Events that follow each other, with the deltas joined that can be.
    public static func merged(_ events: some Collection<LogEvent>) -> [LogEvent] {
        var merged: [LogEvent] = []
        var run: DeltaRun?
        for event in events {
            if run?.absorb(event) == true { continue }
            if let done = run { merged.append(done.joined()) }
            run = DeltaRun(event)
            if run == nil { merged.append(event) }
        }
        if let done = run { merged.append(done.joined()) }
        return merged
    }

    /// What the reader gets: the last delta with the text of all.
    func joined() -> LogEvent {
        if last.sequence == first.sequence { return first }
        var payload: [UInt8] = []
        payload.reserveCapacity(last.payload.count - last.delta.count + text.count)
        payload += last.payload[..<last.delta.lowerBound]
        payload += text
        payload += last.payload[last.delta.upperBound...]
        let start = last.delta.lowerBound
        return LogEvent(
            sequence: last.sequence, mergedFrom: first.sequence, type: last.type, response: last.response,
            responseSequence: last.responseSequence, payload: payload, delta: start..<(start + text.count),
            outputIndex: last.outputIndex, endOffset: last.endOffset)
    }
}

extension LogStorage {
    /// The event after `sequence`, with the deltas that can be joined to it.
    /// - Precondition: as for ``event(after:)``.
    public func mergedEvent(after sequence: Int) -> LogEvent {
        let event = event(after: sequence)
        guard var run = DeltaRun(event) else { return event }
        var position = event.sequence
        while position < committedSequence, run.absorb(self.event(after: position)) { position += 1 }
        return run.joined()
    }
}

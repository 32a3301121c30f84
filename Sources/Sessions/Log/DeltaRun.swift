import Bytes

/// Consecutive deltas of one item, merged into one event for a reader that lags.
///
/// The merged event has the same text and stands for all of them: its position and its number are those of the last,
/// ``SessionEvent/mergedFrom`` is the position of the first.
public struct DeltaRun {
    /// Maximum text of one merged event, in bytes: enough to swallow a burst, far below any queue's bound.
    static let maxTextByteCount = 16 * 1024

    private let first: SessionEvent
    private var last: SessionEvent
    /// Empty while there is only the first.
    private var text: [UInt8] = []
    private var textByteCount: Int
    private var isPlain: Bool

    /// Nil for an event that is not a delta, or belongs to an unknown response.
    init?(_ event: SessionEvent) {
        guard event.kind.isDelta, event.response != nil else { return nil }
        first = event
        last = event
        (textByteCount, isPlain) = event.withText { ($0.count, $1 == .plain) }
    }

    /// Adds the next event of the log; false if it is not a delta of the same item, or the run is full.
    mutating func absorb(_ next: SessionEvent) -> Bool {
        guard next.kind == first.kind, next.response === first.response, next.outputIndex == first.outputIndex,
            next.position == last.position + 1
        else { return false }
        return next.withText { piece, form in
            guard textByteCount + piece.count <= Self.maxTextByteCount else { return false }
            if text.isEmpty {
                first.withText {
                    text += $0; _ = $1
                }
            }
            text += piece
            textByteCount += piece.count
            isPlain = isPlain && form == .plain
            last = next
            return true
        }
    }

    /// Consecutive events, with deltas merged where possible.
    public static func merged(_ events: some Sequence<SessionEvent>) -> [SessionEvent] {
        var merged: [SessionEvent] = []
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

    /// The merged event: the last delta with the text of all, on a page of its own.
    func joined() -> SessionEvent {
        guard last.position != first.position, let response = last.response else { return first }
        let log = SessionLog(
            maxByteCount: .max, pages: [], lastPosition: last.position - 1, endOffset: last.endOffset - last.byteCount,
            epochs: LogEpochs([LogEpochs.Start(epoch: last.logPosition.epoch, sequence: last.position)]))
        var body = ByteBuffer(capacity: text.count + 16)
        body.append(isPlain ? SessionEvent.TextForm.plain.rawValue : SessionEvent.TextForm.needsEscapes.rawValue)
        body.append(varint: first.textOffset)
        body.append(text)
        var event = log.append(last.kind, response, responseSequence: last.responseSequence, last.item, body: body.bytes)
        event.mergedFrom = first.position
        event.logOffset = last.endOffset
        return event
    }
}

extension SessionLog {
    /// Like ``next(_:)``, merged with the deltas that follow.
    public final func nextMerged(_ place: inout LogPlace) -> SessionEvent? {
        guard let event = next(&place) else { return nil }
        guard var run = DeltaRun(event) else { return event }
        while place.position < committedPosition {
            var ahead = place
            guard let following = next(&ahead), run.absorb(following) else { break }
            place = ahead
        }
        return run.joined()
    }
}

import Bytes
import JSON
import Network
import Sessions

/// One page of a session's log as JSON, for those who poll.
struct EventPage: Sendable {
    let json: [UInt8]
    let isEmpty: Bool

    /// Reads what the log has after `sequence`, from memory or from where it keeps the old. Call on the session's loop.
    /// - Parameter then: called there, at once if memory has it all.
    static func read(
        _ session: Session, after sequence: Int, limit: Int, mergesDeltas: Bool,
        then: @escaping (Result<EventPage, APIError>) -> Void
    ) {
        let log = session.log
        if log.holdsAll(after: sequence) {
            var events: [LogEvent] = []
            var position = sequence
            while events.count < limit, position < log.committedSequence {
                let event = mergesDeltas ? log.mergedEvent(after: position) : log.event(after: position)
                events.append(event)
                position = event.sequence
            }
            then(.success(EventPage(events, after: sequence, of: session)))
        } else if log.canProvideAll(after: sequence) {
            log.fetch(after: sequence) { events in
                if events.isEmpty {
                    snapshot(of: session, then)
                } else {
                    let page = mergesDeltas ? DeltaRun.merged(events) : events
                    then(.success(EventPage(Array(page.prefix(limit)), after: sequence, of: session)))
                }
            }
        } else {
            snapshot(of: session, then)
        }
    }

    /// The state in the place of events that nobody has any more.
    private static func snapshot(of session: Session, _ then: @escaping (Result<EventPage, APIError>) -> Void) {
        let position = session.log.lastSequence
        let state = SnapshotEvent.payload(session.stateJSON(), sequence: position, sessionID: session.id)
        session.whenKept { isKept in
            guard isKept else { return then(.failure(.notKept)) }
            var list = ByteBuffer()
            list.append(UInt8(ascii: "["))
            list.append(state)
            list.append(UInt8(ascii: "]"))
            then(.success(EventPage(list, isEmpty: false, recovered: false, position: position, hasMore: false)))
        }
    }

    private init(_ events: [LogEvent], after sequence: Int, of session: Session) {
        var list = ByteBuffer()
        list.append(UInt8(ascii: "["))
        for (index, event) in events.enumerated() {
            if index > 0 { list.append(UInt8(ascii: ",")) }
            SequencedPayload.append(event, sessionID: session.id, to: &list)
        }
        list.append(UInt8(ascii: "]"))
        let position = events.last?.sequence ?? sequence
        self.init(
            list, isEmpty: events.isEmpty, recovered: true, position: position, hasMore: position < session.log.committedSequence)
    }

    private init(_ list: borrowing ByteBuffer, isEmpty: Bool, recovered: Bool, position: Int, hasMore: Bool) {
        var page = ByteBuffer(capacity: list.count + 128)
        page.appendJSONObject { page in
            page.field("object", "list")
            page.field("data", json: list.bytes)
            page.field("recovered", recovered)
            page.field("last_sequence_number", position)
            page.field("has_more", hasMore)
        }
        json = page.array
        self.isEmpty = isEmpty
    }
}

/// Waits for the first event after a place in a log, for a client that polls with `wait`.
final class EventWaiter: EventReader {
    private let then: () -> Void
    private var timer: LoopTimer?

    /// - Parameter then: called once: an event has come, the time is over, or the session is gone.
    init(loop: EventLoop, timeout: Duration, then: @escaping () -> Void) {
        self.then = then
        super.init(loop: loop, catchUp: .losslessOrClose)
        timer = loop.schedule(after: timeout) { [weak self] in self?.finish() }
    }

    override func receive(_ event: LogEvent) -> Cursor.Demand {
        // The session is in the middle of its turn: more may belong to the page.
        timer?.cancel()
        timer = loop.schedule(after: .zero) { [self] in finish() }
        return .pause
    }

    override func receivePlaceGone() { finish() }
    override func sessionClosed() { finish() }
    override func serverStopping() { finish() }

    func cancel() {
        timer?.cancel()
        stop()
    }

    private func finish() {
        cancel()
        then()
    }
}

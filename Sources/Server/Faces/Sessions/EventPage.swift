import Bytes
import JSON
import Network
import ResponsesWire
import Sessions

/// One page of a session's log as JSON, for those who poll.
struct EventPage: Sendable {
    private enum Content: Sendable {
        case events([SessionEvent])
        /// In the place of events that nobody has any more.
        case state(SessionState)
    }

    private let content: Content
    private let sessionID: String
    /// Where the next page begins.
    private let position: LogPosition
    private let hasMore: Bool
    let isEmpty: Bool

    /// Reads what the log has after a position, from memory or from where it keeps the old. Call on the session's loop.
    /// - Parameter then: called there, at once if memory has it all.
    static func read(
        _ session: Session, after position: LogPosition, limit: Int, mergesDeltas: Bool,
        then: @escaping (Result<EventPage, APIError>) -> Void
    ) {
        let log = session.log
        let sequence = log.sequence(of: position)
        if log.holdsAll(after: sequence) {
            var events: [SessionEvent] = []
            var place = log.place(after: sequence)
            while events.count < limit, place.position < log.committedPosition,
                let event = mergesDeltas ? log.nextMerged(&place) : log.next(&place)
            {
                events.append(event)
            }
            then(.success(EventPage(events, after: sequence, of: session)))
        } else if log.canProvideAll(after: sequence) {
            log.fetch(after: sequence) { pages in
                if pages.isEmpty {
                    snapshot(of: session, then)
                } else {
                    let events = pages.events(after: sequence, upTo: log.committedPosition)
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
        let page = EventPage(.state(session.state), isEmpty: false, of: session, position: session.log.end, hasMore: false)
        session.whenKept { then($0 ? .success(page) : .failure(.notKept)) }
    }

    private init(_ events: [SessionEvent], after sequence: Int, of session: Session) {
        let position = events.last?.logPosition ?? session.log.epochs.position(of: sequence)
        self.init(
            .events(events), isEmpty: events.isEmpty, of: session, position: position,
            hasMore: position.sequence < session.log.committedPosition)
    }

    private init(_ content: Content, isEmpty: Bool, of session: Session, position: LogPosition, hasMore: Bool) {
        self.content = content
        self.isEmpty = isEmpty
        sessionID = session.id
        self.position = position
        self.hasMore = hasMore
    }

    // MARK: As JSON

    /// Pages of so many bytes are encoded off the loop.
    private static let leastLargeByteCount = 256 << 10

    /// Whether it takes longer to encode than a loop should be held for.
    var isLarge: Bool {
        switch content {
        case .events(let events): events.reduce(0) { $0 + $1.encodedByteCount } >= Self.leastLargeByteCount
        case .state(let state): state.isLarge
        }
    }

    var json: [UInt8] {
        var page = ByteBuffer()
        page.appendJSONObject { page in
            page.field("object", "list")
            page.array("data") { list in
                switch content {
                case .events(let events):
                    var json = ByteBuffer()
                    var element = ByteBuffer()
                    for event in events {
                        json.clear()
                        ResponsesEncoder.append(event, to: &json)
                        element.clear()
                        SequencedPayload.append(event, json: json.bytes, sessionID: sessionID, to: &element)
                        list.element(json: element.bytes)
                    }
                case .state(let state):
                    SnapshotEvent.payload(state.json, at: position, sessionID: sessionID)
                        .withUnsafeBytes { list.element(json: $0) }
                }
            }
            if case .events = content { page.field("recovered", true) } else { page.field("recovered", false) }
            page.field("last_sequence_number", position.sequence)
            page.field(epochOf: position)
            page.field("has_more", hasMore)
        }
        return page.array
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

    override func receive(_ event: SessionEvent) -> Cursor.Demand {
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

import Bytes
import JSON
import Network
import ResponsesWire
import Sessions

/// One page of a session's log as JSON, for those who poll.
struct EventPage: Sendable {
    private let read: EventRead
    private let sessionID: String
    /// Where the next page begins.
    private let position: LogPosition

    init(_ read: EventRead, sessionID: String) {
        self.read = read
        self.sessionID = sessionID
        switch read {
        case .events(_, let position, _): self.position = position
        case .state(let state): position = state.lastPosition
        }
    }

    var isEmpty: Bool { if case .events(let events, _, _) = read { events.isEmpty } else { false } }

    private var hasMore: Bool { if case .events(_, _, let hasMore) = read { hasMore } else { false } }

    // MARK: As JSON

    /// Pages of so many bytes are encoded off the loop.
    private static let leastLargeByteCount = 256 << 10

    /// Whether it takes longer to encode than a loop should be held for.
    var isLarge: Bool {
        switch read {
        case .events(let events, _, _): events.reduce(0) { $0 + $1.encodedByteCount } >= Self.leastLargeByteCount
        case .state(let state): state.isLarge
        }
    }

    var json: [UInt8] {
        var page = ByteBuffer()
        page.appendJSONObject { page in
            page.field("object", "list")
            page.array("data") { list in
                switch read {
                case .events(let events, _, _):
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
            if case .events = read { page.field("recovered", true) } else { page.field("recovered", false) }
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

import Bytes
import JSON
package import Sessions

/// A page of a session's log as JSON, for clients that poll.
package struct EventPage: Sendable {
    private let read: EventRead
    private let sessionID: String
    /// The position after which the next page begins.
    private let position: LogPosition

    /// A page of a session's log.
    package init(_ read: EventRead, sessionID: String) {
        self.read = read
        self.sessionID = sessionID
        switch read {
        case .events(_, let position, _): self.position = position
        case .state(let state): position = state.lastPosition
        }
    }

    /// Whether the page has no events.
    package var isEmpty: Bool { if case .events(let events, _, _) = read { events.isEmpty } else { false } }

    private var hasMore: Bool { if case .events(_, _, let hasMore) = read { hasMore } else { false } }

    /// Size in bytes from which on pages are encoded off the loop.
    private static let leastLargeByteCount = 256 << 10

    /// Whether encoding would block a loop for too long.
    package var isLarge: Bool {
        switch read {
        case .events(let events, _, _): events.reduce(0) { $0 + $1.encodedByteCount } >= Self.leastLargeByteCount
        case .state(let state): state.isLarge
        }
    }

    /// The page as JSON; not on a loop if it is large.
    package var json: [UInt8] {
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

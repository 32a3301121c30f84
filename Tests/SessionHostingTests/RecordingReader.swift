import Sessions

@testable import SessionHosting

/// A face that records all that it is given.
final class RecordingReader: EventReader {
    struct Received: Equatable {
        let position: Int
        let kind: EventKind
        let responseID: String?
        /// Of a delta.
        let text: String
    }

    private(set) var events: [Received] = []
    private(set) var snapshots: [Int] = []
    private(set) var closedCount = 0
    private(set) var placeGoneCount = 0
    private(set) var stallCount = 0
    /// Events that had come when the stop of the server was told.
    private(set) var eventCountsAtStop: [Int] = []
    /// Takes so many more events, then pauses at each; nil: never pauses.
    var credit: Int?
    var whenReceived: ((SessionEvent) -> Void)?

    override func receive(_ event: SessionEvent) -> Cursor.Demand {
        let text = event.kind.isDelta ? event.withText { text, _ in String(decoding: text, as: UTF8.self) } : ""
        events.append(Received(position: event.position, kind: event.kind, responseID: event.response?.id, text: text))
        whenReceived?(event)
        guard let credit else { return .more }
        self.credit = max(0, credit - 1)
        return credit <= 1 ? .pause : .more
    }

    override func receiveSnapshot(_ state: [UInt8], at position: LogPosition) { snapshots.append(position.sequence) }
    override func receivePlaceGone() { placeGoneCount += 1 }
    override func sessionClosed() { closedCount += 1 }
    override func serverStopping() { eventCountsAtStop.append(events.count) }
    override func storageStalled() { stallCount += 1 }

    var positions: [Int] { events.map(\.position) }
    var kinds: [EventKind] { events.map(\.kind) }
    /// All pieces of answers, joined.
    var text: String { events.map(\.text).joined() }
    /// Whether it was given the same events as another, in the same order.
    func agrees(with other: RecordingReader) -> Bool { events == other.events }
    /// Whether its events are those of a log from its first one on, none left out and none twice.
    var isGapless: Bool { positions == Array(1..<(events.count + 1)) }
}

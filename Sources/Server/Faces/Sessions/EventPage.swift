import Bytes
import JSON
import Network
import Sessions

/// One page of a session's log as JSON, for those who poll.
struct EventPage: Sendable {
    let json: [UInt8]
    let isEmpty: Bool

    /// Reads what the log has after `sequence`. Call on the session's loop.
    init(of session: Session, after sequence: Int, limit: Int, mergesDeltas: Bool) {
        let log = session.log
        let recovered = log.holdsAll(after: sequence)
        var position = recovered ? sequence : log.lastSequence
        var list = ByteBuffer()
        list.append(UInt8(ascii: "["))
        if !recovered {
            list.append(SnapshotEvent.payload(session.stateJSON(), sequence: position, sessionID: session.id))
        }
        var count = 0
        while count < limit, position < log.lastSequence {
            if count > 0 { list.append(UInt8(ascii: ",")) }
            let event = mergesDeltas ? log.mergedEvent(after: position) : log.event(after: position)
            SequencedPayload.append(event, sessionID: session.id, to: &list)
            position = event.sequence
            count += 1
        }
        list.append(UInt8(ascii: "]"))
        var page = ByteBuffer(capacity: list.count + 128)
        page.appendJSONObject { page in
            page.field("object", "list")
            page.field("data", json: list.bytes)
            page.field("recovered", recovered)
            page.field("last_sequence_number", position)
            page.field("has_more", position < log.lastSequence)
        }
        json = page.array
        isEmpty = recovered && count == 0
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

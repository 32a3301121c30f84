import Bytes
import JSON
import Network
import ResponsesWire
import SessionHosting
import Sessions

/// A session that a socket has joined: it follows all of it, and may speak as a participant.
final class JoinedSession: EventReader {
    private let socket: ResponsesSocket
    let reference: SessionReference
    private let sessionID: String
    let participant: Participant?
    /// Of the commands that are acknowledged in the session's log.
    let acknowledgements: LogAcknowledgements
    private var suffix = ByteBuffer()
    static let maxEarlyEvents = 256
    /// Events that wait: until the client is told that it has joined, and then until the socket is no longer congested. nil if new
    /// events are sent directly.
    private var early: [Early]? = []
    private enum Early {
        case event(SessionEvent)
        case snapshot([UInt8], at: LogPosition)
    }

    init(socket: ResponsesSocket, reference: SessionReference, participant: Participant?, streamID: String?, mergesDeltas: Bool) {
        self.socket = socket
        self.reference = reference
        sessionID = reference.id
        self.participant = participant
        acknowledgements = LogAcknowledgements(on: socket)
        super.init(
            loop: socket.loop, catchUp: CatchUp(whenPlaceIsGone: .snapshot, mergesDeltas: mergesDeltas), pass: socket.pass)
        if let streamID {
            suffix.append(",\"stream_id\":\"" as StaticString)
            suffix.append(streamID)
            suffix.append("\"" as StaticString)
        }
    }

    override func receive(_ event: SessionEvent) -> Cursor.Demand {
        if socket.isClosing { return .more }
        if let count = early?.count {
            early?.append(.event(event))
            return count > Self.maxEarlyEvents ? .pause : .more
        }
        send(event)
        return socket.isCongested ? .pause : .more
    }

    override func receiveSnapshot(_ state: [UInt8], at position: LogPosition) {
        if socket.isClosing { return }
        guard isOpen else {
            early?.append(.snapshot(state, at: position))
            return
        }
        sendEarly(evenIfCongested: true)
        send(state, at: position)
    }

    private func send(_ state: [UInt8], at position: LogPosition) {
        let payload = SnapshotEvent.payload(state, at: position, sessionID: reference.id)
        payload.withUnsafeBytes { payload in
            var tail = ByteBuffer()
            tail.append(suffix.bytes)
            tail.append("}" as StaticString)
            socket.sendText(UnsafeRawBufferPointer(rebasing: payload.dropLast()), suffix: tail.bytes)
        }
        acknowledgements.sent(through: position.sequence)
    }

    /// Whether the server is stopping and all events have been sent.
    var isAtRest: Bool { isStopping && early?.isEmpty ?? true }
    private var isStopping = false

    override func serverStopping() { isStopping = true }

    override func sessionClosed() {
        // The input that was to join the session is refused, and the client has not been told of a join.
        if isUndecided { return }
        // Including events from before the client was told that it has joined: no lane sends them.
        if coveredAfter != nil { sendEarly(evenIfCongested: true) }
        acknowledgements.end()
        socket.joined[reference.id] = nil
        if !socket.isClosing { socket.send("interject:left", for: nil) { $0.field("session_id", reference.id) } }
    }

    // MARK: Joining with an input

    /// Whether the session is joined only if the input under way is accepted. Until then, its events wait here and in the lanes.
    private(set) var isUndecided = false

    func joinWithInput() { isUndecided = true }

    /// Called when the input has been accepted or refused.
    func decide() { isUndecided = false }

    // MARK: Where its events go

    /// Sequence number after which the session's events reach the socket through the join, not a lane; nil until it is known.
    private var coveredAfter: Int?
    /// Whether the client was told that it has joined.
    private var isOpen = false

    /// Whether a lane leaves this event to the join.
    func covers(_ event: SessionEvent) -> Bool {
        coveredAfter.map { event.position > $0 } ?? false
    }

    /// Takes over the session's events after this one from the lanes. Those that arrive before ``open()`` wait for it.
    func cover(after sequence: Int) { coveredAfter = sequence }

    /// Called when the client has been told that it has joined: sends the events that arrived meanwhile.
    func open() {
        isOpen = true
        goOn()
    }

    /// Called when the socket is no longer congested.
    func goOn() {
        guard isOpen else { return }
        sendEarly()
        if early == nil { resume() }
    }

    private func sendEarly(evenIfCongested: Bool = false) {
        guard let waiting = early, !socket.isClosing else { return }
        var sent = 0
        while sent < waiting.count, evenIfCongested || !socket.isCongested {
            switch waiting[sent] {
            case .event(let event): send(event)
            case .snapshot(let state, let position): send(state, at: position)
            }
            sent += 1
        }
        early = sent < waiting.count ? Array(waiting.dropFirst(sent)) : nil
    }

    func leave() {
        if let participant { reference.perform(.leave(participant), from: loop) { _ in } }
        stop()
        acknowledgements.end()
    }

    private func send(_ event: SessionEvent) {
        socket.send(event, sessionID: sessionID, suffix: suffix)
        acknowledgements.sent(through: event.position)
    }
}

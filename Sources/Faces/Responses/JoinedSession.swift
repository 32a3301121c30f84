import Bytes
import JSON
import Network
import ResponsesWire
import SessionHosting
import Sessions

/// A session that a socket follows whole, and in which it may speak under a name.
final class JoinedSession: EventReader {
    private let socket: ResponsesSocket
    let reference: SessionReference
    private let sessionID: String
    let participant: Participant?
    private var suffix = ByteBuffer()
    static let maxEarlyEvents = 256
    /// Events that wait: until the socket was told that it has joined, and behind those until it takes more.
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
        super.init(
            loop: socket.loop, catchUp: CatchUp(whenPlaceIsGone: .snapshot, mergesDeltas: mergesDeltas), pass: socket.pass)
        if let streamID {
            suffix.append(",\"stream_id\":\"" as StaticString)
            suffix.append(streamID)
            suffix.append("\"" as StaticString)
        }
    }

    /// Sequence number of the last event that was sent.
    private var sentSequence = 0
    /// Acknowledgements in the log, behind events that the socket has no room for, and what waits for them.
    private var unsent: [(sequence: Int, whenSent: () -> Void)] = []

    /// Delays the end of the connection until an acknowledgement is sent.
    /// - Parameter sequence: of the acknowledgement.
    func delayEnd(untilSent sequence: Int) {
        if sequence <= sentSequence || !isReading { return }
        let step = socket.delayingEnd { (_: Void) in }
        unsent.append((sequence, { step(()) }))
    }

    private func sent(through sequence: Int) {
        sentSequence = sequence
        while let next = unsent.first, next.sequence <= sequence { unsent.removeFirst().whenSent() }
    }

    override func receive(_ event: SessionEvent) -> Cursor.Demand {
        if let count = early?.count {
            early?.append(.event(event))
            return count > Self.maxEarlyEvents ? .pause : .more
        }
        send(event)
        return socket.isCongested ? .pause : .more
    }

    override func receiveSnapshot(_ state: [UInt8], at position: LogPosition) {
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
        sent(through: position.sequence)
    }

    /// The server stops, and nothing that happens here is outstanding.
    var isAtRest: Bool { isStopping && early?.isEmpty ?? true }
    private var isStopping = false

    override func serverStopping() { isStopping = true }

    override func sessionClosed() {
        // The input that was to join it is refused, and the client has not heard of the join.
        if isUndecided { return }
        // Also what came before the socket was told that it has joined: no lane brings it.
        if coveredAfter != nil { sendEarly(evenIfCongested: true) }
        sent(through: .max)
        socket.joined[reference.id] = nil
        socket.send("interject:left", for: nil) { $0.field("session_id", reference.id) }
    }

    // MARK: Joining with an input

    /// Whether the session is joined only if the input under way is accepted. Until then, its events wait here and in the lanes.
    private(set) var isUndecided = false
    /// Commands for the session that came behind that input.
    private var waiting: [() -> Void] = []

    func joinWithInput() { isUndecided = true }

    /// Runs `command` behind ``carryOutWaiting()``.
    func wait(_ command: @escaping () -> Void) { waiting.append(command) }

    /// The input was accepted or refused.
    func decide() { isUndecided = false }

    /// The client was told so.
    func carryOutWaiting() {
        let commands = waiting
        waiting = []
        for command in commands { command() }
    }

    // MARK: Where its events go

    /// Sequence number after which the socket gets the session's events here, and not from a lane; nil until it is known.
    private var coveredAfter: Int?
    /// Whether the socket was told that it has joined.
    private var isOpen = false

    /// Whether a lane leaves this event to the join.
    func covers(_ event: SessionEvent) -> Bool {
        coveredAfter.map { event.position > $0 } ?? false
    }

    /// The session's events after this one come here: what comes before ``open()`` waits for it.
    func cover(after sequence: Int) { coveredAfter = sequence }

    /// The socket was told that it has joined: what came meanwhile goes out.
    func open() {
        isOpen = true
        goOn()
    }

    /// The socket takes more.
    func goOn() {
        guard isOpen else { return }
        sendEarly()
        if early == nil { resume() }
    }

    private func sendEarly(evenIfCongested: Bool = false) {
        guard let waiting = early else { return }
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
        sent(through: .max)
    }

    private func send(_ event: SessionEvent) {
        socket.send(event, sessionID: sessionID, suffix: suffix)
        sent(through: event.position)
    }
}

import API
import Bytes
import HTTP
import JSON
import Network
import ResponsesWire
import SessionHosting
import Sessions

/// The responses of one `stream_id`, one after the other: commands that arrive while one is running are queued.
final class Lane {
    let streamID: String?
    /// One reader, or more while an interjection takes over from the response that it cut off.
    private(set) var readers: [LaneReader] = []
    private var waiting: [CreateCommand] = []
    /// Size of the waiting commands, in bytes.
    private(set) var waitingByteCount = 0
    /// `,"stream_id":"…"`, or empty.
    private var suffix = ByteBuffer()

    init(streamID: String?) {
        self.streamID = streamID
        if let streamID {
            suffix.append(",\"stream_id\":\"" as StaticString)
            suffix.append(streamID)
            suffix.append("\"" as StaticString)
        }
    }

    var isBusy: Bool { !readers.isEmpty }
    /// Whether no response runs and no command waits.
    var isAtRest: Bool { readers.isEmpty && waiting.isEmpty }

    func wait(_ command: CreateCommand) throws(APIError) {
        guard waiting.count < ResponsesSocket.Limits.maxQueuedCreates else {
            throw APIError(
                status: .tooManyRequests,
                message: "\(waiting.count) responses wait in this lane already. Wait for one to end.", type: "rate_limit_error",
                code: "websocket_stream_limit_reached")
        }
        var command = command
        // The encoding is a second copy of the items: it is made again when the command starts.
        command.request.encoded = nil
        waiting.append(command)
        waitingByteCount += command.byteCount
    }

    func begin(_ reader: LaneReader) { readers.append(reader) }

    func finish(_ reader: LaneReader) { readers.removeAll { $0 === reader } }

    /// Removes and returns the next command; nil while a response is running.
    func nextCommand() -> CreateCommand? {
        if isBusy || waiting.isEmpty { return nil }
        let command = waiting.removeFirst()
        waitingByteCount -= command.byteCount
        return command
    }

    /// - Returns: the commands that were waiting.
    func close() -> [CreateCommand] {
        defer { waiting = [] }
        for reader in readers { reader.stop() }
        readers = []
        return waiting
    }

    func send(_ event: SessionEvent, in form: CutForm, sessionID: String, on socket: ResponsesSocket) {
        socket.send(event, retold: form.retold(event)?.json, sessionID: sessionID, suffix: suffix)
    }
}

/// `response.create`, checked.
struct CreateCommand: Sendable {
    let body: JSONObject
    var request: ResponsesRequest
    /// Size of the message, in bytes.
    let byteCount: Int

    init(_ body: JSONObject, byteCount: Int) throws(RequestError) {
        self.body = body
        self.byteCount = byteCount
        request = try ResponsesRequest(body, inputIsOptional: body["previous_response_id"] != nil).prepared()
    }
}

/// Follows one response for a lane, and its successors when it is steered.
final class LaneReader: EventReader {
    private let socket: ResponsesSocket
    let lane: Lane
    /// The response that it was created for.
    let responseID: String
    private let cutForm: CutForm
    /// Followed responses that have not ended.
    private(set) var open: Set<String> { didSet { current = nil } }
    /// The followed response of the last event.
    private var current: Current?

    /// Looked up by identifier once, not for each event.
    private struct Current {
        let response: ResponseHeader
        let join: JoinedSession?
        /// The socket's ``ResponsesSocket/joinCount`` at the time of the lookup.
        let joinCount: Int
    }

    /// Of the commands that are acknowledged in the session's log.
    let acknowledgements: LogAcknowledgements
    /// Events that wait until it is known whether the session is joined. If it is, the join sends them.
    private var withheld: [SessionEvent] = []
    /// The error with which the session ended after these events.
    private var withheldEnd: APIError?

    init(socket: ResponsesSocket, lane: Lane, responseID: String, cutForm: CutForm) {
        self.socket = socket
        self.cutForm = cutForm
        self.lane = lane
        open = [responseID]
        self.responseID = responseID
        acknowledgements = LogAcknowledgements(on: socket)
        super.init(loop: socket.loop, catchUp: .losslessOrClose, pass: socket.pass)
    }

    func follow(_ responseID: String) { open.insert(responseID) }

    func unfollow(_ responseID: String) { open.remove(responseID) }

    override func receive(_ event: SessionEvent) -> Cursor.Demand {
        if socket.isClosing { return .more }
        guard let current = followed(event) else {
            if withheld.isEmpty { acknowledgements.sent(through: event.position) }
            return .more
        }
        if current.join?.isUndecided == true {
            withheld.append(event)
            return withheld.count > JoinedSession.maxEarlyEvents ? .pause : .more
        }
        take(event, of: current.response, current.join)
        return socket.isCongested ? .pause : .more
    }

    /// The response that an event belongs to, if it is followed.
    private func followed(_ event: SessionEvent) -> Current? {
        if let current, event.isPart(of: current.response), current.joinCount == socket.joinCount { return current }
        guard let response = event.response, open.contains(response.id) else { return nil }
        let found = Current(response: response, join: socket.joined[response.sessionID], joinCount: socket.joinCount)
        current = found
        return found
    }

    private func take(_ event: SessionEvent, of reference: ResponseHeader, _ join: JoinedSession?) {
        // A socket that has joined the session gets this event through the join.
        if join?.covers(event) != true {
            lane.send(event, in: cutForm, sessionID: reference.sessionID, on: socket)
        }
        if event.kind.isTerminal {
            open.remove(reference.id)
            if open.isEmpty { finish() }
        }
        acknowledgements.sent(through: event.position)
    }

    /// Called when it is known whether the session is joined.
    func releaseWithheld() {
        if withheld.isEmpty || socket.isClosing { return }
        let events = withheld
        withheld = []
        for event in events {
            guard let current = followed(event) else { continue }
            take(event, of: current.response, current.join)
        }
        if let error = withheldEnd, !open.isEmpty { return end(telling: error) }
        if !socket.isCongested { resume() }
    }

    override func receivePlaceGone() {
        end(
            telling: APIError(
                status: .gone, message: "The connection did not keep up, and the events are no longer kept. Fetch the session.",
                code: "events_expired"))
    }

    override func sessionClosed() { end(telling: .sessionDeleted) }

    override func storageStalled() { end(telling: .storageStalled) }

    /// Ends the responses for the socket with an error, after the withheld events.
    private func end(telling error: APIError) {
        guard withheld.isEmpty else {
            withheldEnd = error
            return
        }
        if !socket.isClosing { socket.fail(error, for: lane.streamID.map { ["stream_id": .string($0)] }) }
        finish()
    }

    func finish() {
        stop()
        acknowledgements.end()
        lane.finish(self)
        // In a later iteration: the session is still delivering events.
        loop.schedule(after: .zero) { [weak socket, lane] in socket?.startWaiting(in: lane) }
    }
}

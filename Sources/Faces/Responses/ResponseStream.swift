import API
import Bytes
import HTTP
import Network
import ResponsesWire
import SessionHosting
import Sessions

/// The events of one response as server-sent events, in OpenAI's form: `event:` equals `type`, no `id:`, `[DONE]` at the end.
///
/// But for events of another epoch than the response began in, whose numbers alone do not tell them from others that were lost: these
/// have an `id:`, by which the client can go on.
final class ResponseStream: EventReader {
    /// Before the first event, whose number is 0.
    static let all = LogPosition(sequence: -1)

    private let call: Call
    private let stream: EventStream
    private let responseID: String
    /// `sequence_number` up to which the client has the events, and the epoch that it knows it from.
    private let startingAfter: LogPosition
    private let cutForm: CutForm
    private let pass: EncodingPass<ResponsesEncoder>
    /// For the head; known from the submission on.
    var sessionID: String?
    private var response: ResponseHeader?
    /// Epoch of its first event.
    private var firstEpoch = 0
    private var held: [SessionEvent] = []
    /// nil for a response that is fetched.
    private var statusHold: StatusHold?

    /// - Parameter holdsStatus: for a response that is just made; one that is fetched answers at once.
    init(
        _ call: Call, responseID: String, startingAfter: LogPosition = ResponseStream.all, cutForm: CutForm, holdsStatus: Bool
    ) {
        self.call = call
        self.cutForm = cutForm
        pass = call.services.sessions(on: call.loop).passes.pass(ResponsesEncoder.self)
        self.responseID = responseID
        self.startingAfter = startingAfter
        stream = EventStream(call, errors: .flat("error", isDone: true))
        super.init(loop: call.loop, catchUp: .losslessOrClose, pass: pass)
        call.exchange.endsWithInput = true
        call.exchange.onDisconnect = { [self] in disconnected() }
        call.exchange.onDrained = { [self] in resume() }
        // The client has left while the session was being found.
        if call.exchange.isEnded { stop() }
        if holdsStatus {
            statusHold = StatusHold(call) { [unowned self] in
                held.isEmpty
            } commit: { [unowned self] in
                commit()
            }
        }
    }

    /// Sends the head now: for a response that is fetched.
    func begin(sessionID: String) {
        self.sessionID = sessionID
        commit()
    }

    override func receive(_ event: SessionEvent) -> Cursor.Demand {
        guard isOurs(event) else { return .more }
        guard event.responseSequence > startingAfter.sequence else {
            pass(over: event)
            return .more
        }
        if let statusHold, statusHold.isPending {
            switch event.kind {
            case .responseCreated, .error:
                held.append(event)
                return .more
            case .responseFailed:
                if let failure = event.response?.failure {
                    fail(APIError(failure))
                    return .more
                }
            default: break
            }
        }
        commit()
        write(event)
        if event.kind.isTerminal { end() }
        return stream.isCongested ? .pause : .more
    }

    override func receivePlaceGone() { fail(Self.eventsExpired(of: responseID)) }

    /// What the client wants next is not there, or what it has is not what is there.
    static func eventsExpired(of responseID: String) -> APIError {
        APIError(SessionError.eventsExpired(responseID: responseID))
    }

    /// The client says that it has an event with this number.
    private func pass(over event: SessionEvent) {
        if event.logPosition.epoch > max(startingAfter.epoch, firstEpoch) {
            // It may have had another, which was lost.
            receivePlaceGone()
        } else if event.kind.isTerminal {
            // It has ended before the event that the client says it has.
            if event.responseSequence < startingAfter.sequence { receivePlaceGone() } else { end() }
        } else if event.responseSequence == startingAfter.sequence {
            // From here on it is clear that there is something to stream.
            commit()
        }
    }

    /// What had come of the response is not all of it: an end in order would say so.
    override func sessionClosed() {
        fail(.sessionDeleted)
    }

    /// The response goes on when the server is started again.
    override func serverStopping() { fail(.shuttingDown) }

    override func storageStalled() { fail(.storageStalled) }

    /// Answers with an error by status if no byte has gone out, else in the stream.
    func fail(_ error: APIError) {
        statusHold?.cancel()
        if stream.hasBegun {
            stream.end(telling: error)
            stop()
        } else {
            stop()
            call.fail(error)
        }
    }

    private func isOurs(_ event: SessionEvent) -> Bool {
        if let response { return event.isPart(of: response) }
        guard let reference = event.response, reference.id == responseID else { return false }
        response = reference
        firstEpoch = event.logPosition.epoch
        return true
    }

    private func commit() {
        if stream.hasBegun { return }
        statusHold?.cancel()
        statusHold = nil
        guard !stream.isEnded else { return }
        let session = sessionID.map { [(name: "Interject-Session", value: $0)] } ?? []
        stream.begin(fields: response?.fields ?? session)
        for event in held { write(event) }
        held = []
    }

    private func write(_ event: SessionEvent) {
        let epoch = event.logPosition.epoch
        let id = epoch == firstEpoch ? nil : LogPosition(epoch: epoch, sequence: event.responseSequence)
        if let (type, json) = cutForm.retold(event) {
            stream.write(type, id: id, long: json)
        } else {
            stream.write(event, event.kind.responsesType, id: id, pass)
        }
    }

    /// Ends in order: nothing more will come.
    func end() {
        commit()
        stream.end(done: true)
        stop()
    }

    private func disconnected() {
        statusHold?.cancel()
        stream.stopHeartbeats()
        stop()
    }
}

import API
import Bytes
import HTTP
import Network
import ResponsesWire
import SessionHosting
import Sessions

/// The events of one response as server-sent events, in OpenAI's form: `event:` equals `type`, no `id:`, `[DONE]` at the end.
///
/// Only an event of a later epoch than the response's first has an `id:`, from which the client can resume: its number alone does
/// not tell it from an event that was lost.
final class ResponseStream: EventReader {
    /// The position before the first event, whose number is 0.
    static let all = LogPosition(sequence: -1)

    private let call: Call
    private let stream: EventStream
    private let responseID: String
    /// `sequence_number` up to which the client has the events, and the epoch in which it received that one.
    private let startingAfter: LogPosition
    private let cutForm: CutForm
    private let pass: EncodingPass<ResponsesEncoder>
    /// Sent in the head; set once the input is accepted, or the response is found.
    var sessionID: String?
    private var response: ResponseHeader?
    /// Epoch of the response's first event.
    private var firstEpoch = 0
    private var held: [SessionEvent] = []
    /// nil for a response that is retrieved.
    private var statusHold: StatusHold?

    /// - Parameter holdsStatus: whether the status waits for the upstream, as for a new response. A retrieved one answers at once.
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
        // The client may have left while the session was being looked up.
        if call.exchange.isEnded { stop() }
        if holdsStatus {
            statusHold = StatusHold(call) { [unowned self] in
                held.isEmpty
            } commit: { [unowned self] in
                commit()
            }
        }
    }

    /// Sends the head at once, for a response that is retrieved.
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

    /// The event that the client wants next is gone, or the events that it has are not those of the log.
    static func eventsExpired(of responseID: String) -> APIError {
        APIError(SessionError.eventsExpired(responseID: responseID))
    }

    /// Skips an event whose number the client says it has.
    private func pass(over event: SessionEvent) {
        if event.logPosition.epoch > max(startingAfter.epoch, firstEpoch) {
            // The client may have had another event of this number, which was lost.
            receivePlaceGone()
        } else if event.kind.isTerminal {
            // A response that ended before the event that the client says it has is not the one that the client has seen.
            if event.responseSequence < startingAfter.sequence { receivePlaceGone() } else { end() }
        } else if event.responseSequence == startingAfter.sequence {
            // Now it is certain that there is something to stream.
            commit()
        }
    }

    /// The response is incomplete, and a regular end of the stream would claim otherwise.
    override func sessionClosed() {
        fail(.sessionDeleted)
    }

    /// The response resumes after a restart of the server.
    override func serverStopping() { fail(.shuttingDown) }

    override func storageStalled() { fail(.storageStalled) }

    /// Reports an error by status if nothing has been sent yet, otherwise in the stream.
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

    /// Ends the stream regularly: no more events will come.
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

import Bytes
import HTTP
import JSON
import Network
import Sessions

/// A response that is asked for again and again.
extension ResponsesFace {
    /// Answers with the response as it stands: at once, or, if it runs, when it has ended or the time is over.
    static func poll(_ call: Call, id: String, of session: SessionReference, cutForm: CutForm, wait: Duration) {
        call.perform(.readResponse(id: id, withObject: true), on: session) { (outcome) throws(SessionError) in
            let standing = try outcome.response()
            if standing.isOpen, wait > .zero {
                waitForEnd(call, id: id, of: session, cutForm: cutForm, after: standing.lastPosition, wait)
            } else {
                call.respond(
                    pollable: cutForm.retold(response: standing.object ?? []), sessionID: session.id, isRunning: standing.isOpen,
                    age: call.loop.unixTime.saturatingSubtracting(standing.createdAt), tag: standing.tag(cutForm))
            }
        }
    }

    private static func waitForEnd(
        _ call: Call, id: String, of session: SessionReference, cutForm: CutForm, after: LogPosition, _ wait: Duration
    ) {
        let waiter = EndWaiter(loop: call.loop, responseID: id, timeout: wait) {
            poll(call, id: id, of: session, cutForm: cutForm, wait: .zero)
        }
        call.exchange.onDisconnect = { waiter.cancel() }
        let fail = { (error: APIError) in
            waiter.cancel()
            call.fail(error)
        }
        call.perform(.follow(.after(after)), on: session, reader: waiter, listens: false, orElse: fail) {
            (outcome) throws(SessionError) in
            _ = try outcome.following()
        }
    }
}

extension ResponseStanding {
    /// Everything of a response that changes, changes with an event, or with the epoch; and each form is another text.
    fileprivate func tag(_ form: CutForm) -> String {
        let state = "\(id)-\(eventCount)-\(status)\(epoch == 0 ? "" : "-\(epoch)")"
        return form == .native ? "\"\(state)\"" : "\"\(state)-\(form.rawValue)\""
    }
}

/// Waits for the end of a response, for a client that polls with `wait`. It is none who listens.
final class EndWaiter: EventReader {
    /// nil: of any.
    private let responseID: String?
    private var then: (() -> Void)?
    private var timer: LoopTimer?

    /// - Parameter then: called once: the response has ended, the time is over, or the session is gone.
    init(loop: EventLoop, responseID: String?, timeout: Duration, then: @escaping () -> Void) {
        self.responseID = responseID
        self.then = then
        super.init(loop: loop, catchUp: .losslessOrClose)
        timer = loop.schedule(after: timeout) { [weak self] in self?.finish() }
    }

    override func receive(_ event: SessionEvent) -> Cursor.Demand {
        guard event.kind.isTerminal, responseID == nil || event.response?.id == responseID else { return .more }
        // The session is in the middle of its turn: the record of the end belongs to it.
        timer?.cancel()
        timer = loop.schedule(after: .zero) { [self] in finish() }
        return .pause
    }

    override func receivePlaceGone() { finish() }
    override func sessionClosed() { finish() }
    override func serverStopping() { finish() }

    func cancel() {
        timer?.cancel()
        then = nil
        stop()
    }

    private func finish() {
        let then = then
        cancel()
        then?()
    }
}

extension Call {
    /// When to ask again for what runs: what has taken long will take long, so after a fourth of its age, from one second to half a
    /// minute.
    static func pollSeconds(age: Int) -> Int { min(max(1, age / 4), 30) }

    /// Answers with a response that may still run: with when to ask again, and not at all when the client has it as it stands.
    /// - Parameter age: seconds since the response was made.
    func respond(pollable json: [UInt8], sessionID: String, isRunning: Bool, age: Int, tag: String? = nil) {
        var fields = [(name: "Interject-Session", value: sessionID)]
        if isRunning { fields.append(("Retry-After", String(Self.pollSeconds(age: age)))) }
        guard let tag else {
            respond(json: json, fields: fields)
            return
        }
        fields += [("ETag", tag), ("Cache-Control", "no-cache")]
        let known = request.fields.noneMatch(names: tag)
        if known { exchange.respond(.notModified, fields: fields) } else { respond(json: json, fields: fields) }
    }
}

import Bytes
import HTTP
import JSON
import Network
import Sessions

/// A response that is asked for again and again.
extension ResponsesFace {
    /// The response as it stands, for who polls.
    private struct Standing: Sendable {
        let json: [UInt8]
        let isRunning: Bool
        let createdAt: Int
        private let state: String
        let lastSequence: Int

        init(_ generation: Generation) {
            json = ResponsesFace.json(generation)
            isRunning = !generation.status.isTerminal
            createdAt = generation.createdAt
            let epoch = generation.log.epochs.current
            let suffix = epoch == 0 ? "" : "-\(epoch)"
            state = "\(generation.id)-\(generation.eventCount)-\(generation.status.name)\(suffix)"
            lastSequence = generation.log.lastPosition
        }

        /// Everything of a response that changes, changes with an event, or with the epoch; and each form is another text.
        func tag(_ form: CutForm) -> String { form == .native ? "\"\(state)\"" : "\"\(state)-\(form.rawValue)\"" }
    }

    /// Answers with the response as it stands: at once, or, if it runs, when it has ended or the time is over.
    static func poll(_ call: Call, id: String, of session: SessionReference, cutForm: CutForm, wait: Duration) {
        session.perform(from: call.loop, orElse: call.fail) { session in
            session.generations.last { $0.id == id }.map(Standing.init)
        } then: { standing in
            guard let standing else {
                call.fail(notFound(id))
                return
            }
            if standing.isRunning, wait > .zero {
                waitForEnd(call, id: id, of: session, cutForm: cutForm, after: standing.lastSequence, wait)
            } else {
                call.respond(
                    pollable: cutForm.retold(response: standing.json), sessionID: session.id, isRunning: standing.isRunning,
                    age: call.loop.unixTime.saturatingSubtracting(standing.createdAt), tag: standing.tag(cutForm))
            }
        }
    }

    private static func waitForEnd(
        _ call: Call, id: String, of session: SessionReference, cutForm: CutForm, after: Int, _ wait: Duration
    ) {
        let waiter = EndWaiter(loop: call.loop, responseID: id, timeout: wait) {
            poll(call, id: id, of: session, cutForm: cutForm, wait: .zero)
        }
        call.exchange.onDisconnect = { waiter.cancel() }
        let cursor = waiter.makeCursor(for: session, listens: false)
        let fail = { (error: APIError) in
            waiter.cancel()
            call.fail(error)
        }
        session.perform(from: call.loop, orElse: fail) { session -> APIError? in
            do throws(SessionError) {
                try session.attach(cursor.value, after: after)
                // Who polls with `wait` is no listener that could leave, but one who has come back after a restart.
                session.listenerReturned()
                return nil
            } catch {
                return APIError(error)
            }
        } then: { error in
            if let error { fail(error) }
        }
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

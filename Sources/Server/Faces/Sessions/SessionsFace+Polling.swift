import Bytes
import HTTP
import Network
import Sessions

/// A session that is asked for again and again.
extension SessionsFace {
    /// The state as it stands, for who polls.
    private struct Standing: Sendable {
        let state: SessionState
        /// When what runs was made, in seconds since 1970; nil: nothing runs, and nothing waits.
        let busySince: Int?

        init(_ session: Session) {
            state = session.state
            busySince = session.isAtRest ? nil : session.active?.createdAt ?? session.queued.first?.createdAt
        }
    }

    /// `GET /v1/sessions/{id}`: at once, or with `wait` when nothing runs and nothing waits any more, or the time is over.
    static func retrieve(_ call: Call, id: String) throws(APIError) {
        let wait = try call.count("wait", default: 0, max: 60)
        call.withSession(id) { poll(call, $0, until: call.loop.now + .seconds(wait)) }
    }

    private static func poll(_ call: Call, _ session: SessionReference, until deadline: Instant) {
        session.perform(from: call.loop, orElse: call.fail) {
            Standing($0)
        } then: { standing in
            let left = deadline - call.loop.now
            if standing.busySince != nil, left > .zero {
                waitForEnd(call, of: session, after: standing.state.lastPosition, left, until: deadline)
                return
            }
            // What has taken long will take long.
            let retry = standing.busySince.map { String(Call.pollSeconds(age: call.loop.unixTime.saturatingSubtracting($0))) }
            let fields = [("Interject-Session", session.id)] + (retry.map { [("Retry-After", $0)] } ?? [])
            let state = standing.state
            call.compute(ifLarge: state.isLarge) {
                TaggedAnswer(JSONAnswer(json: state.json, fields: fields))
            } then: {
                call.respond($0)
            }
        }
    }

    /// Asks again when a response has ended: the next may have begun.
    private static func waitForEnd(
        _ call: Call, of session: SessionReference, after: LogPosition, _ wait: Duration, until deadline: Instant
    ) {
        let waiter = EndWaiter(loop: call.loop, responseID: nil, timeout: wait) { poll(call, session, until: deadline) }
        call.exchange.onDisconnect = { waiter.cancel() }
        attach(waiter, to: session, after: after, listens: false, call) { error in
            guard let error else { return }
            waiter.cancel()
            call.fail(error)
        }
    }
}

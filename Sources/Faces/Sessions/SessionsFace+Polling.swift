import API
import Bytes
import HTTP
import Network
import SessionHosting
import Sessions

/// Polling of a session.
extension SessionsFace {
    /// `GET /v1/sessions/{id}`: at once, or with `wait` once no response runs or waits, or the time is over.
    static func retrieve(_ call: Call, id: String) throws(APIError) {
        let wait = try call.count("wait", default: 0, max: 60)
        call.findSession(id) { poll(call, $0, until: call.loop.now + .seconds(wait)) }
    }

    private static func poll(_ call: Call, _ session: SessionReference, until deadline: Instant) {
        call.perform(.readState, on: session) { (outcome) throws(SessionError) in
            let standing = try outcome.state()
            let left = deadline - call.loop.now
            if standing.busySince != nil, left > .zero {
                // Checks again after the end of a response: the next may have begun.
                call.wait(for: .end(ofResponse: nil), of: session, after: standing.state.lastPosition, left) {
                    poll(call, session, until: deadline)
                }
                return
            }
            // A response that has run for long is likely to take longer.
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
}

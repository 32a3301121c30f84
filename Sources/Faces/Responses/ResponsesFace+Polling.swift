import API
import Bytes
import HTTP
import JSON
import Network
import ResponsesWire
import SessionHosting
import Sessions

/// Polling a response.
extension ResponsesFace {
    /// Answers with the response in its current state: at once, or, if it is still running, at its end or after `wait`.
    static func poll(_ call: Call, id: String, of session: SessionReference, cutForm: CutForm, wait: Duration) {
        call.perform(.readResponse(id: id, withObject: true), on: session) { (outcome) throws(SessionError) in
            let standing = try outcome.response()
            if standing.isOpen, wait > .zero {
                call.wait(for: .end(ofResponse: id), of: session, after: standing.lastPosition, wait) {
                    poll(call, id: id, of: session, cutForm: cutForm, wait: .zero)
                }
            } else {
                call.respond(
                    pollable: cutForm.retold(response: standing.object ?? []), sessionID: session.id, isRunning: standing.isOpen,
                    age: call.loop.unixTime.saturatingSubtracting(standing.createdAt), tag: standing.tag(cutForm))
            }
        }
    }
}

extension ResponseStanding {
    /// The entity tag. A response changes only with an event or with the epoch, and each form has its own text.
    fileprivate func tag(_ form: CutForm) -> String {
        let state = "\(id)-\(eventCount)-\(status)\(epoch == 0 ? "" : "-\(epoch)")"
        return form == .native ? "\"\(state)\"" : "\"\(state)-\(form.rawValue)\""
    }
}

extension Call {
    /// Answers with a response that may still be running: with `Retry-After` if it is, and with 304 if the client has its current
    /// state.
    /// - Parameter age: seconds since the response was created.
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

import API
import Access
import HTTP
import JSON
import Network
import SessionHosting
import Sessions
import WebSocket

/// Whether a command is permitted: the key that opened the socket may have been revoked since, or be bound to one session.
extension ResponsesSocket {
    static let opening = SocketOpening(
        advice: ", or POST for an answer over HTTP.", subprotocols: ["realtime"]
    ) { (call) throws(APIError) in
        let cutForm = try call.cutForm()
        return { ResponsesSocket($0, for: call, cutForm: cutForm) }
    }

    /// nil: every caller may send it.
    private static func scope(forCommand type: String) -> Scopes? {
        switch type {
        case "response.create", "response.steer", "response.inject": .responses
        case "interject:join": .sessionsRead
        case "interject:input", "interject:cancel": .sessions
        default: nil
        }
    }

    /// - Returns: false if the command must be dropped, without a further answer.
    func authorize(_ type: String, _ body: JSONObject) throws(APIError) -> Bool {
        guard checkCredential(telling: { fail($0, for: body) }) else { return false }
        try caller.require(Self.scope(forCommand: type))
        if let binding = caller.binding { try check(type, body, against: binding) }
        return true
    }

    private func check(_ type: String, _ body: JSONObject, against binding: Caller.Binding) throws(APIError) {
        guard case .session(let sessionID) = binding else { throw .boundElsewhere }
        switch type {
        case "interject:join", "interject:leave", "interject:input":
            try check(try checked(try body.optionalString("session_id")), isFor: sessionID)
        case "interject:cancel":
            if let id = try checked(try body.optionalString("response_id")) {
                try check(response: id, isOf: sessionID)
            } else {
                try check(try checked(try body.optionalString("session_id")), isFor: sessionID)
            }
        case "response.steer":
            try check(response: try checked(try body.optionalString("previous_response_id")) ?? "", isOf: sessionID)
        case "response.create":
            // A continuation may branch off into another session.
            guard body["previous_response_id"].map(\.isNull) ?? true else { throw .boundElsewhere }
            let id = try checked(try body.optionalObject("interject")?.optionalString("session_id"))
            try check(id, isFor: sessionID)
        default: break
        }
    }

    /// Admits a generation within the limits of the key.
    func admit(_ responseID: String, _ items: [Item], _ parameters: ResponseParameters) throws(APIError) {
        _ = try services.metering.admit(caller, responseID: responseID, input: items, parameters: parameters, now: loop.now)
    }

    private func check(_ id: String?, isFor sessionID: String) throws(APIError) {
        guard let id else { throw .boundElsewhere }
        if id != sessionID { throw .notFound("session", id: id, code: "session_not_found") }
    }

    private func check(response id: String, isOf sessionID: String) throws(APIError) {
        // Only running responses can be steered or cancelled, and those are in memory.
        guard let session = services.sessions.resident(ofResponse: id), session.owner == owner, session.id == sessionID else {
            throw .notFound("response", id: id, code: "response_not_found")
        }
    }
}

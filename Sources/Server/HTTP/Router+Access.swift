import HTTP
import Network

/// Who calls, and whether it may.
extension Router {
    /// Goes on with the caller by its key or its ticket, if its scopes and what it is bound to permit the call.
    func admit(_ call: Call, _ path: [String], _ then: @escaping (Call) throws(APIError) -> Void) throws(APIError) {
        var call = call
        call.caller = try identify(call)
        (call.exchange.record as? AccessRecord)?.set("key", call.caller.keyName ?? call.caller.keyID)
        try call.caller.require(RouteScopes.needed(call.request.method, path))
        call.context.credentials(on: call.loop).insert(call)
        guard let binding = call.caller.binding else { return try then(call) }
        switch try Self.check(binding, call, path) {
        case .permitted: try then(call)
        case .ifResponse(let id, let sessionID):
            let admitted = call
            call.withSession(ofResponse: id) { (session) throws(APIError) in
                if session.id != sessionID { throw .notFound("response", id: id, code: "response_not_found") }
                try then(admitted)
            }
        }
    }

    private func identify(_ call: Call) throws(APIError) -> Caller {
        let context = call.context
        // A ticket opens streams and sockets, and nothing that changes anything by itself.
        if call.request.method == .get || call.isHead, let ticket = call.query["ticket"] {
            // HEAD does not use it up.
            let holder =
                call.isHead
                ? context.tickets.holder(of: ticket, now: call.loop.now) : context.tickets.redeem(ticket, now: call.loop.now)
            guard let caller = holder, context.authentication.stillKnows(caller) else {
                throw APIError(
                    status: .unauthorized, message: "The ticket was used already, or has expired. Ask for another.",
                    type: "authentication_error", code: "invalid_ticket", fields: [("WWW-Authenticate", "Bearer")])
            }
            return caller
        }
        return try context.authentication.caller(
            call.request, token: call.exchange.credential as? JWTVerifier.Outcome, from: call.exchange.clientAddress,
            now: call.loop.now)
    }

    private enum Check {
        case permitted
        /// Only if the response belongs to the session.
        case ifResponse(String, of: String)
    }

    /// What is made for one session or response is for nothing else: all else is not there.
    private static func check(_ binding: Caller.Binding, _ call: Call, _ path: [String]) throws(APIError) -> Check {
        switch (path.count > 1 ? path[1] : "", path.count) {
        // What is asked for there is looked at by itself.
        case ("models", _), ("stream_tickets", _): return .permitted
        case ("sessions", 3...):
            if binding == .session(path[2]) { return .permitted }
            throw .notFound("session", id: path[2], code: "session_not_found")
        // Each command of the WebSocket is looked at by itself.
        case ("responses", 2) where call.request.method == .get || call.isHead: return .permitted
        case ("responses", 3...):
            if binding == .response(path[2]) { return .permitted }
            if case .session(let id) = binding { return .ifResponse(path[2], of: id) }
            throw .notFound("response", id: path[2], code: "response_not_found")
        default: throw .boundElsewhere
        }
    }
}

extension APIError {
    static var boundElsewhere: APIError {
        APIError(
            status: .forbidden, message: "This credential is for one session or response alone, and not for this call.",
            code: "credential_is_bound")
    }
}

import HTTP
import Network

/// Who calls, and whether it may.
extension Router {
    /// The caller by its key or its ticket, if its scopes and what it is bound to permit the call.
    func admit(_ call: Call, _ path: [String]) throws(APIError) -> Call {
        var call = call
        call.caller = try identify(call)
        try call.caller.require(RouteScopes.needed(call.request.method, path))
        if let binding = call.caller.binding { try Self.check(binding, call, path) }
        return call
    }

    private func identify(_ call: Call) throws(APIError) -> Caller {
        let context = call.context
        // A ticket opens streams and sockets, and nothing that changes anything by itself.
        if call.request.method == .get, let ticket = call.query["ticket"] {
            guard let caller = context.tickets.redeem(ticket, now: call.loop.now), context.authentication.stillKnows(caller) else {
                throw APIError(
                    status: .unauthorized, message: "The ticket was used already, or has expired. Ask for another.",
                    type: "authentication_error", code: "invalid_ticket", fields: [("WWW-Authenticate", "Bearer")])
            }
            return caller
        }
        return try context.authentication.caller(call.request, from: call.exchange.clientAddress, now: call.loop.now)
    }

    /// What is made for one session or response is for nothing else: all else is not there.
    private static func check(_ binding: Caller.Binding, _ call: Call, _ path: [String]) throws(APIError) {
        switch (path.count > 1 ? path[1] : "", path.count) {
        // What is asked for there is looked at by itself.
        case ("models", _), ("stream_tickets", _): return
        case ("sessions", 3...):
            if binding == .session(path[2]) { return }
            throw .notFound("session", id: path[2], code: "session_not_found")
        // Each command of the WebSocket is looked at by itself.
        case ("responses", 2) where call.request.method == .get: return
        case ("responses", 3...):
            if binding == .response(path[2]) { return }
            if case .session(let id) = binding, isResponse(path[2], of: id, call.caller, call.context) { return }
            throw .notFound("response", id: path[2], code: "response_not_found")
        default: throw .boundElsewhere
        }
    }

    static func isResponse(_ id: String, of sessionID: String, _ caller: Caller, _ context: ServerContext) -> Bool {
        context.directory.session(ofResponse: id, owner: caller.owner)?.id == sessionID
    }
}

extension APIError {
    static var boundElsewhere: APIError {
        APIError(
            status: .forbidden, message: "This credential is for one session or response alone, and not for this call.",
            code: "credential_is_bound")
    }
}

import Access
import HTTP
import Network
import SessionHosting

/// Authenticates callers and checks their access.
extension Router {
    /// Continues with the caller by its key or ticket, if its scopes and binding permit the call.
    package func admit(_ call: Call, _ then: @escaping (Call) throws(APIError) -> Void) throws(APIError) {
        var call = call
        call.caller = try identify(call)
        (call.exchange.record as? AccessRecord)?.set("key", call.caller.keyName ?? call.caller.keyID)
        try call.caller.require(call.match.scope.needed(for: call.request.method))
        call.services.calls(on: call.loop).open.insert(call)
        guard let binding = call.caller.binding else { return try then(call) }
        switch try Self.check(binding, call.match) {
        case .admitted: try then(call)
        case .ifResponse(let id, let sessionID):
            let admitted = call
            call.findSession(ofResponse: id) { (session) throws(APIError) in
                if session.id != sessionID { throw .notFound("response", id: id, code: "response_not_found") }
                try then(admitted)
            }
        }
    }

    private func identify(_ call: Call) throws(APIError) -> Caller {
        let services = call.services
        // A ticket opens streams and sockets only; neither changes anything by itself.
        if call.isRead, let ticket = call.query["ticket"] {
            // HEAD does not use it up.
            let holder =
                call.isHead
                ? services.tickets.holder(of: ticket, now: call.loop.now) : services.tickets.redeem(ticket, now: call.loop.now)
            guard let caller = holder, services.authentication.stillKnows(caller) else {
                throw APIError(.invalidTicket)
            }
            return caller
        }
        do throws(AccessError) {
            return try services.authentication.caller(
                call.request, token: call.arrival.token, from: call.exchange.clientAddress, now: call.loop.now)
        } catch {
            throw APIError(error)
        }
    }

    /// Checks the operator key.
    func checkOperator(_ call: Call) throws(APIError) {
        let authentication = call.services.authentication
        do throws(AccessError) {
            try call.services.operatorAccess.check(
                call.request, from: call.exchange.clientAddress, attempts: authentication.attempts, now: call.loop.now,
                keysAreRequired: authentication.isRequired)
        } catch {
            throw APIError(error)
        }
    }

    private enum Check {
        case admitted
        /// Only if the response belongs to the session.
        case ifResponse(String, of: String)
    }

    /// A credential bound to one session or response sees no other object.
    private static func check(_ binding: Caller.Binding, _ match: RouteMatch) throws(APIError) -> Check {
        switch (match.binding, match.boundID) {
        case (.any, _): return .admitted
        case (.session, let id?):
            if binding == .session(id) { return .admitted }
            throw .notFound("session", id: id, code: "session_not_found")
        case (.response, let id?):
            if binding == .response(id) { return .admitted }
            if case .session(let sessionID) = binding { return .ifResponse(id, of: sessionID) }
            throw .notFound("response", id: id, code: "response_not_found")
        case (.unbound, _), (.session, nil), (.response, nil): throw .boundElsewhere
        }
    }
}

import API
import Access
import Bytes
import Glibc
import HTTP
import JSON
import Network
import SessionHosting

/// Credentials that a back end makes for its pages, so that they need no key: `Protocols/authentication.md`.
package enum CredentialsFace {
    static let defaultTokenSeconds = 600
    static let maxTicketSeconds = 60

    /// `POST /v1/client_tokens`
    static func createToken(_ call: Call) throws(APIError) {
        guard call.caller.hasKey, let signer = call.services.authentication.tokenSigner else { throw Self.needsKey }
        let body = call.exchange.received.isEmpty ? JSONObject() : try call.jsonBody()
        let seconds = try checked(try body.optionalCount("expires_in")) ?? defaultTokenSeconds
        guard (1...ClientTokens.maxLifetimeSeconds).contains(seconds) else {
            throw .invalid(
                "'expires_in' must be 1 to \(ClientTokens.maxLifetimeSeconds) seconds.", param: "expires_in", code: "invalid_value")
        }
        var caller = call.caller
        caller.scopes = try scopes(body) ?? call.caller.scopes.intersection([.sessions, .responses, .chat, .realtime])
        try call.caller.require(caller.scopes)
        guard let sessionID = try checked(try body.optionalString("session_id")) else {
            answer(call, caller, seconds: seconds, signer)
            return
        }
        caller.binding = .session(sessionID)
        let bound = caller
        call.findSession(sessionID) { _ in answer(call, bound, seconds: seconds, signer) }
    }

    private static func answer(_ call: Call, _ caller: Caller, seconds: Int, _ signer: ClientTokens) {
        // Never longer than the credential that it is made with.
        let expiresAt = min(time(nil).saturatingAdding(seconds), call.caller.expiresAt ?? .max)
        let token = signer.sign(caller, expiresAt: expiresAt)
        call.respond(.created, fields: [("Cache-Control", "no-store")]) { object in
            object.field("object", "client_token")
            object.field("token", token)
            object.field("expires_at", expiresAt)
            object.array("scopes") { for name in caller.scopes.names { $0.element(name) } }
            if case .session(let id)? = caller.binding { object.field("session_id", id) } else { object.null("session_id") }
        }
    }

    private static func scopes(_ body: JSONObject) throws(APIError) -> Scopes? {
        guard let value = body["scopes"], !value.isNull else { return nil }
        let words = value.array?.compactMap(\.string)
        guard let words, !words.isEmpty, words.count == value.array?.count, let scopes = Scopes(words: words) else {
            throw .invalid(
                "'scopes' must be an array of \(Scopes.names.joined(separator: ", ")).", param: "scopes", code: "invalid_value")
        }
        return scopes
    }

    /// `POST /v1/stream_tickets`
    static func createTicket(_ call: Call) throws(APIError) {
        let body = try call.jsonBody()
        let seconds = try checked(try body.optionalCount("expires_in")) ?? maxTicketSeconds
        guard (1...maxTicketSeconds).contains(seconds) else {
            throw .invalid("'expires_in' must be 1 to \(maxTicketSeconds) seconds.", param: "expires_in", code: "invalid_value")
        }
        let own = call.caller.binding
        switch try checked(
            (session: try body.optionalString("session_id"), response: try body.optionalString("response_id")))
        {
        case (let id?, nil):
            try call.caller.require(.sessionsRead)
            if let own, own != .session(id) { throw .notFound("session", id: id, code: "session_not_found") }
            call.findSession(id) { (_) throws(APIError) in try answer(call, ticketFor: .session(id), seconds: seconds) }
        case (nil, let id?):
            try call.caller.require(.responsesRead)
            call.findSession(ofResponse: id) { (session) throws(APIError) in
                guard own == nil || own == .response(id) || own == .session(session.id) else {
                    throw .notFound("response", id: id, code: "response_not_found")
                }
                try answer(call, ticketFor: .response(id), seconds: seconds)
            }
        default:
            throw .invalid(
                "Either 'session_id' or 'response_id' is needed.", param: "session_id", code: "missing_required_parameter")
        }
    }

    private static func answer(_ call: Call, ticketFor binding: Caller.Binding, seconds: Int) throws(APIError) {
        guard
            let ticket = call.services.tickets.issue(to: call.caller, for: binding, lifetime: .seconds(seconds), now: call.loop.now)
        else {
            throw APIError(
                status: .tooManyRequests, message: "Too many tickets wait to be used.", type: "rate_limit_error",
                code: "too_many_tickets", retryAfterSeconds: 5)
        }
        let expiresAt = time(nil).saturatingAdding(seconds)
        call.respond(.created, fields: [("Cache-Control", "no-store")]) { object in
            object.field("object", "stream_ticket")
            object.field("ticket", ticket)
            object.field("expires_at", expiresAt)
            switch binding {
            case .session(let id): object.field("session_id", id)
            case .response(let id): object.field("response_id", id)
            }
        }
    }

    private static var needsKey: APIError {
        APIError(
            status: .forbidden, message: "A token is made with an API key, not with another token or a ticket.", code: "key_needed")
    }
}

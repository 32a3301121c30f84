import Glibc
import HTTP
import JSON
import Network

/// What a back end makes for its pages, so that no key leaves it: `Protocols/authentication.md`.
enum CredentialsFace {
    static let defaultTokenSeconds = 600
    static let maxTicketSeconds = 60

    /// `POST /v1/client_tokens`
    static func createToken(_ call: Call) throws(APIError) {
        guard call.caller.hasKey, let signer = call.context.authentication.tokenSigner else { throw Self.needsKey }
        let body = call.exchange.body.isEmpty ? JSONObject() : try call.jsonBody()
        let seconds = try body.optionalCount("expires_in") ?? defaultTokenSeconds
        guard (1...ClientTokens.maxLifetimeSeconds).contains(seconds) else {
            throw .invalid(
                "'expires_in' must be 1 to \(ClientTokens.maxLifetimeSeconds) seconds.", param: "expires_in", code: "invalid_value")
        }
        var caller = call.caller
        caller.scopes = try scopes(body) ?? call.caller.scopes.intersection([.sessions, .responses, .chat, .realtime])
        try call.caller.require(caller.scopes)
        let sessionID = try body.optionalString("session_id")
        if let sessionID {
            try requireSession(sessionID, call)
            caller.binding = .session(sessionID)
        }
        // Not longer than what it is made with.
        let expiresAt = min(Int(time(nil)) + seconds, call.caller.expiresAt ?? .max)
        let token = signer.sign(caller, expiresAt: expiresAt)
        call.respond(.created, fields: [("Cache-Control", "no-store")]) { object in
            object.field("object", "client_token")
            object.field("token", token)
            object.field("expires_at", expiresAt)
            object.array("scopes") { for name in caller.scopes.names { $0.element(name) } }
            object.field("session_id", sessionID)
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
        let seconds = try body.optionalCount("expires_in") ?? maxTicketSeconds
        guard (1...maxTicketSeconds).contains(seconds) else {
            throw .invalid("'expires_in' must be 1 to \(maxTicketSeconds) seconds.", param: "expires_in", code: "invalid_value")
        }
        let binding = try binding(body, call)
        guard
            let ticket = call.context.tickets.issue(to: call.caller, for: binding, lifetime: .seconds(seconds), now: call.loop.now)
        else {
            throw APIError(
                status: .tooManyRequests, message: "Too many tickets wait to be used.", type: "rate_limit_error",
                code: "too_many_tickets", retryAfterSeconds: 5)
        }
        let expiresAt = Int(time(nil)) + seconds
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

    private static func binding(_ body: JSONObject, _ call: Call) throws(APIError) -> Caller.Binding {
        let own = call.caller.binding
        switch (try body.optionalString("session_id"), try body.optionalString("response_id")) {
        case (let id?, nil):
            try call.caller.require(.sessionsRead)
            if let own, own != .session(id) { throw .notFound("session", id: id, code: "session_not_found") }
            try requireSession(id, call)
            return .session(id)
        case (nil, let id?):
            try call.caller.require(.responsesRead)
            let session = call.context.directory.session(ofResponse: id, owner: call.owner)
            guard let session, own == nil || own == .response(id) || own == .session(session.id) else {
                throw .notFound("response", id: id, code: "response_not_found")
            }
            return .response(id)
        default:
            throw .invalid(
                "Either 'session_id' or 'response_id' is needed.", param: "session_id", code: "missing_required_parameter")
        }
    }

    private static func requireSession(_ id: String, _ call: Call) throws(APIError) {
        guard call.context.directory.session(id, owner: call.owner) != nil else {
            throw .notFound("session", id: id, code: "session_not_found")
        }
    }

    private static var needsKey: APIError {
        APIError(
            status: .forbidden, message: "A token is made with an API key, not with another token or a ticket.", code: "key_needed")
    }
}

import HTTP

/// Which scope each call needs.
enum RouteScopes {
    /// - Returns: nil for what every key may do.
    static func needed(_ method: HTTPMethod, _ path: [String]) -> Scopes? {
        let reads = method == .get || method == .head
        switch path.count > 1 ? path[1] : "" {
        // Names of models tell nothing, and whoever asks for a token or a ticket gets no more than it has.
        case "models", "client_tokens", "stream_tickets": return nil
        case "chat": return .chat
        // A WebSocket: each of its commands is looked at by itself.
        case "responses" where reads && path.count == 2: return nil
        case "responses" where path.count == 4 && (path[3] == "events" || path[3] == "runner"): return .runner
        case "runner": return .runner
        case "responses", "conversations": return reads ? .responsesRead : .responses
        case "sessions": return reads ? .sessionsRead : .sessions
        case "realtime": return .realtime
        case "files", "uploads": return reads ? .filesRead : .files
        case "batches": return reads ? .batchesRead : .batches
        case "webhooks", "webhook_endpoints", "webhook_events", "webhook_event_types": return reads ? .webhooksRead : .webhooks
        case "usage", "organization": return .usage
        // What has no line here is for keys without restriction.
        default: return .all
        }
    }

    /// Which scope a command of a WebSocket on `/v1/responses` needs.
    static func needed(forCommand type: String) -> Scopes? {
        switch type {
        case "response.create", "response.steer", "response.inject": .responses
        case "interject:join": .sessionsRead
        case "interject:input", "interject:cancel": .sessions
        default: nil
        }
    }
}

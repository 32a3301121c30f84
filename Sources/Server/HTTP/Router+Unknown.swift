import HTTP

/// Paths that lead nowhere, and where they were meant to lead.
extension Router {
    /// First segments behind `/v1` of everything that is served there.
    private static let servedSegments: Set<String> = [
        "models", "chat", "responses", "runner", "usage", "organization", "client_tokens", "stream_tickets", "webhook_endpoints",
        "webhook_events", "webhook_event_types", "conversations", "sessions", "files", "batches",
    ]

    static func noSuchPath(_ call: Call) -> APIError {
        let asked = "\(call.request.method.name) \(call.request.target.path)"
        guard let path = meantPath(call.request.target.pathSegments), path != call.request.target.path else {
            return APIError(status: .notFound, message: "There is no \(asked).", code: "unknown_url")
        }
        return APIError(
            status: .notFound,
            message:
                "There is no \(asked). Try \(path): the base URL of a client must end in /v1, once and without a slash behind it.",
            code: "unknown_url")
    }

    /// The path with one `/v1` in front and no empty segments, if something is served there.
    private static func meantPath(_ segments: [String]) -> String? {
        let named = segments.filter { !$0.isEmpty }
        let behind = named.lastIndex(of: "v1").map { named[($0 + 1)...] } ?? named[...]
        guard let first = behind.first, servedSegments.contains(first) else { return nil }
        // What stands there is repeated as it was sent, and only where it can be.
        guard
            behind.allSatisfy({
                $0.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: "%") }
            })
        else { return nil }
        return "/v1/" + behind.joined(separator: "/")
    }
}

package import API
import HTTP

extension SessionsFace {
    private static let label = "sessions"

    /// The routes of sessions.
    package static let routes = [
        Route(
            .post, "/v1/sessions", label: label, scope: .sessions, admission: .newWork, idempotency: .answer, body: .json, create),
        Route(.get, "/v1/sessions", label: label, scope: .sessions, list),
        Route(.get, "/v1/sessions/{session_id}", label: label, scope: .sessions, binding: .session, retrieve),
        Route(.delete, "/v1/sessions/{session_id}", label: label, scope: .sessions, binding: .session, delete),
        Route(.get, "/v1/sessions/{session_id}/events", label: label, scope: .sessions, binding: .session, events),
        Route(
            .post, "/v1/sessions/{session_id}/input", label: label, scope: .sessions, binding: .session, admission: .newWork,
            idempotency: .answer, body: .json, input),
        Route(.post, "/v1/sessions/{session_id}/cancel", label: label, scope: .sessions, binding: .session, cancel),
    ]
}

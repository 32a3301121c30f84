package import API
import HTTP

extension ResponsesFace {
    private static let label = "responses"

    package static let routes = [
        Route(
            .post, "/v1/responses", label: label, scope: .responses, admission: .newWork,
            idempotency: .response(prefix: "resp_", replay: replay), body: .json, create),
        // Each command on the socket is authorized by itself.
        .socket("/v1/responses", label: label, scope: .anyKey, binding: .any, ResponsesSocket.opening),
        Route(.post, "/v1/responses/input_tokens", label: label, scope: .responses, body: .json, countInputTokens),
        Route(.post, "/v1/responses/compact", label: label, scope: .responses, body: .json, compact),
        Route(.get, "/v1/responses/{response_id}", label: label, scope: .responses, binding: .response, retrieve),
        Route(.delete, "/v1/responses/{response_id}", label: label, scope: .responses, binding: .response, delete),
        Route(.get, "/v1/responses/{response_id}/input_items", label: label, scope: .responses, binding: .response, inputItems),
        Route(.post, "/v1/responses/{response_id}/cancel", label: label, scope: .responses, binding: .response, cancel),
        Route(
            .post, "/v1/responses/{response_id}/steer", label: label, scope: .responses, binding: .response, admission: .newWork,
            body: .json, steer),
    ]

    /// `POST /v1/responses/compact`: OpenAI's call that shortens a conversation to an item only its own models can read.
    private static func compact(_ call: Call) throws(APIError) {
        throw APIError(
            status: .notImplemented,
            message: "Compaction is not there. Go on in a new conversation with a summary, or delete items of a conversation.",
            code: "compaction_not_supported", fields: [("x-should-retry", "false")])
    }
}

package import API
import HTTP

extension ConversationsFace {
    /// Conversations are part of the Responses API, in scopes and metrics, too.
    private static let label = "responses"

    /// The routes of the Conversations API.
    package static let routes = [
        Route(
            .post, "/v1/conversations", label: label, scope: .responses, admission: .newWork, idempotency: .answer, body: .json,
            create),
        Route(.post, "/v1/conversations/{conversation_id}", label: label, scope: .responses, body: .json, update),
        Route(.get, "/v1/conversations/{conversation_id}", label: label, scope: .responses, retrieve),
        Route(.delete, "/v1/conversations/{conversation_id}", label: label, scope: .responses, delete),
        Route(
            .post, "/v1/conversations/{conversation_id}/items", label: label, scope: .responses, admission: .newWork, body: .json,
            addItems),
        Route(.get, "/v1/conversations/{conversation_id}/items", label: label, scope: .responses, listItems),
        Route(.get, "/v1/conversations/{conversation_id}/items/{item_id}", label: label, scope: .responses, retrieveItem),
        Route(.delete, "/v1/conversations/{conversation_id}/items/{item_id}", label: label, scope: .responses, deleteItem),
    ]
}

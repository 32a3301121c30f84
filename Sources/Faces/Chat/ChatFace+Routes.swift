package import API
import Access
import HTTP

extension ChatFace {
    /// The routes of the Chat Completions API.
    package static let routes = [
        Route(
            .post, "/v1/chat/completions", label: "chat", scope: .one(.chat), admission: .newWork,
            idempotency: .response(prefix: "chatcmpl-", replay: replay), body: .json, create)
    ]
}

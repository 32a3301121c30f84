package import API
import HTTP

extension CredentialsFace {
    /// The routes of credentials. No scope is needed: callers get no rights that they do not have.
    package static let routes = [
        Route(.post, "/v1/client_tokens", scope: .anyKey, body: .json, createToken),
        Route(.post, "/v1/stream_tickets", scope: .anyKey, binding: .any, body: .json, createTicket),
    ]
}

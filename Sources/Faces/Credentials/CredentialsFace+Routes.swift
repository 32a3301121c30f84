package import API
import HTTP

extension CredentialsFace {
    // A caller gets no more than it has, so that it needs no scope of its own.
    package static let routes = [
        Route(.post, "/v1/client_tokens", scope: .anyKey, body: .json, createToken),
        Route(.post, "/v1/stream_tickets", scope: .anyKey, binding: .any, body: .json, createTicket),
    ]
}

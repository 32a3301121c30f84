package import API
import HTTP

extension WebhooksFace {
    private static let label = "webhooks"

    package var routes: [Route] {
        let label = Self.label
        return [
            Route(.post, "/v1/webhook_endpoints", label: label, scope: .webhooks, admission: .newWork, body: .json, create),
            Route(.get, "/v1/webhook_endpoints", label: label, scope: .webhooks, list),
            Route(
                .post, "/v1/webhook_endpoints/{endpoint_id}", label: label, scope: .webhooks, admission: .writes, body: .json,
                update),
            Route(.get, "/v1/webhook_endpoints/{endpoint_id}", label: label, scope: .webhooks, retrieve),
            Route(
                .patch, "/v1/webhook_endpoints/{endpoint_id}", label: label, scope: .webhooks, admission: .writes, body: .json,
                update),
            Route(.delete, "/v1/webhook_endpoints/{endpoint_id}", label: label, scope: .webhooks, admission: .writes, delete),
            Route(
                .post, "/v1/webhook_endpoints/{endpoint_id}/rotate_secret", label: label, scope: .webhooks, admission: .writes,
                body: .json, rotateSecret),
            Route(
                .post, "/v1/webhook_endpoints/{endpoint_id}/test", label: label, scope: .webhooks, admission: .newWork, body: .json,
                test),
            Route(.get, "/v1/webhook_endpoints/{endpoint_id}/deliveries", label: label, scope: .webhooks, deliveries),
            Route(.post, "/v1/webhook_events/{event_id}/redeliver", label: label, scope: .webhooks, body: .json, redeliver),
            Route(.get, "/v1/webhook_event_types", label: label, scope: .webhooks, eventTypes),
        ]
    }
}

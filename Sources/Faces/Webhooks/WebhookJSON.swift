import Bytes
import JSON
import Jobs

/// Endpoints and deliveries in the form of OpenAI's API; further members are in `interject`.
enum WebhookJSON {
    static func endpoint(_ status: WebhookEndpointStatus, showsSecret: Bool = false) -> [UInt8] {
        var buffer = ByteBuffer()
        buffer.appendJSONObject { write(status, showsSecret: showsSecret, to: &$0) }
        return buffer.array
    }

    static func list(_ statuses: some Collection<WebhookEndpointStatus>, hasMore: Bool) -> [UInt8] {
        var buffer = ByteBuffer()
        buffer.appendJSONObject { list in
            list.field("object", "list")
            list.array("data") { data in
                for status in statuses { data.object { write(status, showsSecret: false, to: &$0) } }
            }
            list.field("first_id", statuses.first?.endpoint.id)
            list.field("last_id", statuses.suffix(1).first?.endpoint.id)
            list.field("has_more", hasMore)
        }
        return buffer.array
    }

    static func deliveries(_ deliveries: [WebhookDelivery]) -> [UInt8] {
        var buffer = ByteBuffer()
        buffer.appendJSONObject { list in
            list.field("object", "list")
            list.array("data") { data in
                for delivery in deliveries { data.object { write(delivery, to: &$0) } }
            }
            list.field("has_more", false)
        }
        return buffer.array
    }

    private static func write(_ status: WebhookEndpointStatus, showsSecret: Bool, to object: inout JSONObjectWriter) {
        let endpoint = status.endpoint
        object.field("id", endpoint.id)
        object.field("object", "webhook_endpoint")
        object.field("created_at", endpoint.createdAt)
        object.field("updated_at", endpoint.updatedAt)
        object.field("name", endpoint.name)
        object.field("url", endpoint.url)
        object.array("event_types") { for type in endpoint.eventTypes { $0.element(type) } }
        if showsSecret { object.field("signing_secret", endpoint.secrets.current.text) }
        object.field("signing_secret_hint", endpoint.secrets.current.hint)
        object.object("interject") { extensions in
            extensions.field("responses", endpoint.responses.rawValue)
            switch endpoint.state {
            case .enabled:
                extensions.field("status", "enabled")
                extensions.null("disabled_at")
                extensions.null("disabled_reason")
            case .disabled(let time, let reason):
                extensions.field("status", "disabled")
                extensions.field("disabled_at", time)
                extensions.field("disabled_reason", reason)
            }
            extensions.field("consecutive_failures", endpoint.failures)
            extensions.field("pending", status.pendingCount)
            if let previous = endpoint.secrets.previous {
                extensions.field("old_secret_valid_until", previous.until)
            } else {
                extensions.null("old_secret_valid_until")
            }
        }
    }

    private static func write(_ delivery: WebhookDelivery, to object: inout JSONObjectWriter) {
        object.field("object", "interject.webhook_delivery")
        object.field("event_id", delivery.event.id)
        object.field("event_type", delivery.event.type)
        object.field("data_id", delivery.event.objectID)
        object.field("created_at", delivery.event.createdAt)
        object.field("test", delivery.event.isTest)
        object.field("status", delivery.state.rawValue)
        object.field("attempt_count", delivery.attemptCount)
        if delivery.state == .pending {
            object.field("next_attempt_at", Double(delivery.dueAt) / 1000)
        } else {
            object.null("next_attempt_at")
        }
        object.array("attempts") { attempts in
            for attempt in delivery.attempts {
                attempts.object { object in
                    object.field("at", Double(attempt.at) / 1000)
                    object.field("latency_ms", attempt.milliseconds)
                    if let status = attempt.status { object.field("status_code", status) } else { object.null("status_code") }
                    object.field("error", attempt.error)
                }
            }
        }
    }
}

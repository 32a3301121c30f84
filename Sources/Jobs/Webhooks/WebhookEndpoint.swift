package import JSON

/// A registered receiver of webhooks.
package struct WebhookEndpoint: Sendable, Hashable {
    /// Which responses the endpoint is notified of.
    package enum Responses: String, Sendable, CaseIterable {
        /// Responses that continue without their client, as at OpenAI.
        case background
        /// All responses, including those streamed to their client.
        case all
    }

    /// Whether the endpoint is notified at all.
    package enum State: Sendable, Hashable {
        case enabled
        /// Disabled at this time, in seconds since 1970, for this reason.
        case disabled(at: Int, reason: String)
    }

    package let id: String
    /// nil for an endpoint of the operator, which serves all owners.
    package let owner: String?
    /// The client's name for it.
    package var name: String
    package var url: String
    /// Event types that it is notified of.
    package var eventTypes: [String]
    package var responses: Responses
    /// The keys that sign its requests.
    package var secrets: WebhookSecrets
    /// Seconds since 1970.
    package let createdAt: Int
    package var updatedAt: Int
    package var state = State.enabled
    /// Number of failed attempts since the last success.
    package var failures = 0
    /// Time of the last success, in milliseconds since 1970.
    package var lastSuccessAt: Int?

    package static let maxNameByteCount = 256
    /// Most endpoints per owner.
    package static let maxCount = 100

    package init(
        id: String, owner: String?, name: String, url: String, eventTypes: [String], responses: Responses, secrets: WebhookSecrets,
        createdAt: Int
    ) {
        self.id = id
        self.owner = owner
        self.name = name
        self.url = url
        self.eventTypes = eventTypes
        self.responses = responses
        self.secrets = secrets
        self.createdAt = createdAt
        updatedAt = createdAt
    }

    package var isEnabled: Bool { state == .enabled }

    /// Whether the endpoint is to be notified of an event.
    /// - Parameter isBackground: whether the object continued without its client.
    func wants(_ event: WebhookEvent, isBackground: Bool) -> Bool {
        isEnabled && (owner == nil || owner == event.owner) && (isBackground || responses == .all)
            && eventTypes.contains(event.type)
    }
}

// MARK: - Stored form

extension WebhookEndpoint {
    /// The form in which the store has it.
    package var record: JSONValue {
        var record: JSONObject = [
            "id": .string(id), "name": .string(name), "url": .string(url), "event_types": .array(eventTypes.map { .string($0) }),
            "responses": .string(responses.rawValue), "secret": .string(secrets.current.text), "created_at": JSONValue(createdAt),
            "updated_at": JSONValue(updatedAt), "failures": JSONValue(failures),
        ]
        if let owner { record["owner"] = .string(owner) }
        if let lastSuccessAt { record["last_success_at"] = JSONValue(lastSuccessAt) }
        if let previous = secrets.previous {
            record["old_secret"] = .string(previous.secret.text)
            record["old_secret_until"] = JSONValue(previous.until)
        }
        if case .disabled(let time, let reason) = state {
            record["disabled_at"] = JSONValue(time)
            record["disabled_reason"] = .string(reason)
        }
        return .object(record)
    }

    /// - Throws: ``JSON/JSONRecord/Malformed`` unless ``record`` wrote it.
    package init(record: JSONValue) throws {
        let endpoint = try JSONRecord(record, of: "webhook endpoint")
        let secret = { (value: JSONValue) in value.string.flatMap(WebhookSecret.init) }
        var secrets = WebhookSecrets(try endpoint.required("secret", secret))
        if let old = try endpoint.optional("old_secret", secret) {
            secrets = WebhookSecrets(secrets.current, previous: (old, try endpoint.required("old_secret_until", \.int)))
        }
        self.init(
            id: try endpoint.required("id", \.string), owner: try endpoint.optional("owner", \.string),
            name: try endpoint.required("name", \.string), url: try endpoint.required("url", \.string),
            eventTypes: try endpoint.list("event_types", \.string),
            responses: try endpoint.required("responses") { $0.string.flatMap(Responses.init(rawValue:)) }, secrets: secrets,
            createdAt: try endpoint.required("created_at", \.int))
        updatedAt = try endpoint.required("updated_at", \.int)
        failures = try endpoint.required("failures", \.int)
        lastSuccessAt = try endpoint.optional("last_success_at", \.int)
        if let time = try endpoint.optional("disabled_at", \.int) {
            state = .disabled(at: time, reason: try endpoint.required("disabled_reason", \.string))
        }
    }
}

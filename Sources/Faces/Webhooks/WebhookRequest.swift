import API
import JSON
import Jobs

/// The body of a request to create or update an endpoint.
struct WebhookRequest: Sendable {
    var name: String?
    var url: String?
    var eventTypes: [String]?
    var responses: WebhookEndpoint.Responses?
    /// True to enable the endpoint again, false to disable it.
    var isEnabled: Bool?

    init(_ body: JSONObject, allowsPrivate: Bool) throws(RequestError) {
        if let name = try body.optionalString("name") {
            guard !name.isEmpty, name.utf8.count <= WebhookEndpoint.maxNameByteCount else {
                throw .invalid("'name' must have 1 to \(WebhookEndpoint.maxNameByteCount) bytes.", param: "name")
            }
            self.name = name
        }
        if let url = try body.optionalString("url") {
            do throws(WebhookURL.Problem) {
                self.url = try WebhookURL(url, allowsPrivate: allowsPrivate).text
            } catch {
                throw .invalid("'url' cannot be an endpoint's: \(error).", param: "url", code: "invalid_webhook_url")
            }
        }
        if let value = body["event_types"], !value.isNull { eventTypes = try Self.eventTypes(value) }
        guard let extensions = try body.optionalObject("interject") else { return }
        if let text = try extensions.optionalString("responses") {
            guard let responses = WebhookEndpoint.Responses(rawValue: text) else {
                throw .invalid("'interject.responses' must be 'background' or 'all'.", param: "interject.responses")
            }
            self.responses = responses
        }
        if let text = try extensions.optionalString("status") {
            guard text == "enabled" || text == "disabled" else {
                throw .invalid("'interject.status' must be 'enabled' or 'disabled'.", param: "interject.status")
            }
            isEnabled = text == "enabled"
        }
    }

    private static func eventTypes(_ value: JSONValue) throws(RequestError) -> [String] {
        guard let elements = value.array, !elements.isEmpty else {
            throw .invalid("'event_types' must be a list of at least one event type.", param: "event_types")
        }
        var types: [String] = []
        for element in elements {
            let type = try eventType(element.string, param: "event_types")
            if !types.contains(type) { types.append(type) }
        }
        return types
    }

    /// Validates an event type.
    static func eventType(_ text: String?, param: String) throws(RequestError) -> String {
        guard let text, WebhookEvent.types.contains(text) else {
            throw .invalid(
                "'\(text ?? "")' is none of the events here: \(WebhookEvent.types.joined(separator: ", ")).", param: param,
                code: "unknown_event_type")
        }
        return text
    }

    /// Applies the members that are present.
    func apply(to endpoint: inout WebhookEndpoint, unixTime: Int) {
        if let name { endpoint.name = name }
        if let url { endpoint.url = url }
        if let eventTypes { endpoint.eventTypes = eventTypes }
        if let responses { endpoint.responses = responses }
        switch isEnabled {
        case true: endpoint.state = .enabled
        case false where endpoint.isEnabled: endpoint.state = .disabled(at: unixTime, reason: "Its owner has disabled it.")
        default: break
        }
    }
}

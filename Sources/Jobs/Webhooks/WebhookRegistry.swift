import Synchronization

/// The endpoints, for producers of events on any thread. Protected by one short lock.
final class WebhookRegistry: Sendable {
    private struct Endpoints {
        /// By owner.
        var owned: [String: [WebhookEndpoint]] = [:]
        var operators: [WebhookEndpoint] = []
    }

    private let endpoints = Mutex(Endpoints())

    func set(_ all: some Sequence<WebhookEndpoint>) {
        var new = Endpoints()
        for endpoint in all {
            if let owner = endpoint.owner { new.owned[owner, default: []].append(endpoint) } else { new.operators.append(endpoint) }
        }
        let complete = new
        endpoints.withLock { $0 = complete }
    }

    /// The endpoints to notify of an event.
    /// - Parameter event: only called if there are endpoints.
    func receivers(owner: String, isBackground: Bool, _ event: () -> WebhookEvent) -> (event: WebhookEvent, endpointIDs: [String])?
    {
        let candidates = endpoints.withLock { endpoints in
            let owned = endpoints.owned[owner]
            if endpoints.operators.isEmpty { return owned ?? [] }
            return endpoints.operators + (owned ?? [])
        }
        if candidates.isEmpty { return nil }
        let event = event()
        let ids = candidates.filter { $0.wants(event, isBackground: isBackground) }.map(\.id)
        return ids.isEmpty ? nil : (event, ids)
    }
}

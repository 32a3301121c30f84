package import Access
import HTTP

/// The callers that may use a route.
package enum RouteScope: Sendable, Equatable {
    /// Every client, without a key and from any page.
    case open
    /// Only the operator, with the operator key.
    case operatorKey
    /// Every authenticated caller, whatever its scopes.
    case anyKey
    /// Callers with these scopes.
    case one(Scopes)
    /// Callers with `reads` for `GET` and `HEAD`, and with `writes` for every other method.
    case split(reads: Scopes, writes: Scopes)

    /// Reading and writing responses.
    package static let responses = RouteScope.split(reads: .responsesRead, writes: .responses)
    /// Reading and writing sessions.
    package static let sessions = RouteScope.split(reads: .sessionsRead, writes: .sessions)
    /// Reading and writing files.
    package static let files = RouteScope.split(reads: .filesRead, writes: .files)
    /// Reading and writing batches.
    package static let batches = RouteScope.split(reads: .batchesRead, writes: .batches)
    /// Reading and writing webhooks.
    package static let webhooks = RouteScope.split(reads: .webhooksRead, writes: .webhooks)

    /// The scopes that a caller must have; nil for none.
    func needed(for method: HTTPMethod) -> Scopes? {
        switch self {
        case .open, .operatorKey, .anyKey: nil
        case .one(let scopes): scopes
        case .split(let reads, let writes): method == .get || method == .head ? reads : writes
        }
    }
}

/// How a route treats a credential that is bound to one session or response: ``Caller/Binding``.
package enum RouteBinding: Sendable, Equatable {
    /// Refused.
    case unbound
    /// Admitted: the handler itself checks the binding.
    case any
    /// Admitted if the path's first parameter is the bound session.
    case session
    /// Admitted if the path's first parameter is the bound response, or a response of the bound session.
    case response
}

package import Access
import HTTP

/// Who may call a route.
package enum RouteScope: Sendable, Equatable {
    /// Every client, without a key and from any page.
    case open
    /// The operator alone, by a key of its own.
    case operatorKey
    /// Every caller, whatever its key may do.
    case anyKey
    /// Callers with these scopes.
    case one(Scopes)
    /// Callers with `reads` for `GET` and `HEAD`, and with `writes` for every other method.
    case split(reads: Scopes, writes: Scopes)

    package static let responses = RouteScope.split(reads: .responsesRead, writes: .responses)
    package static let sessions = RouteScope.split(reads: .sessionsRead, writes: .sessions)
    package static let files = RouteScope.split(reads: .filesRead, writes: .files)
    package static let batches = RouteScope.split(reads: .batchesRead, writes: .batches)
    package static let webhooks = RouteScope.split(reads: .webhooksRead, writes: .webhooks)

    /// The scopes that a caller must have; nil: none.
    func needed(for method: HTTPMethod) -> Scopes? {
        switch self {
        case .open, .operatorKey, .anyKey: nil
        case .one(let scopes): scopes
        case .split(let reads, let writes): method == .get || method == .head ? reads : writes
        }
    }
}

/// What a route is to a credential that is bound to one session or response: ``Caller/Binding``.
package enum RouteBinding: Sendable, Equatable {
    /// Refused.
    case unbound
    /// Admitted: the handler itself looks at what the credential is bound to.
    case any
    /// Admitted if the path's first parameter is the session that it is bound to.
    case session
    /// Admitted if the path's first parameter is the response that it is bound to, or one of the session that it is bound to.
    case response
}

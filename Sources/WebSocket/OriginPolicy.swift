/// Which web pages may connect, RFC 6455 §10.2.
///
/// Browsers let any page open a WebSocket and send the user's cookies along; `Origin` tells the page. A request without it does not
/// come from a browser and is accepted: a client that can omit the field can also forge it. The check protects browser users only.
public enum OriginPolicy: Equatable, Sendable {
    case any
    /// Exactly these serialised origins, for example `https://app.example.com` or `null`. Case does not matter.
    case list([String])
    /// Pages whose host and port are those of the request's `Host`.
    case sameHost

    func allows(_ origin: String?, host: String?) -> Bool {
        guard let origin = origin?.lowercased() else { return true }
        switch self {
        case .any: return true
        case .list(let origins): return origins.contains { $0.lowercased() == origin }
        case .sameHost:
            guard let host = host?.lowercased() else { return false }
            for (scheme, defaultPort) in [("http://", ":80"), ("https://", ":443")] where origin.hasPrefix(scheme) {
                let authority = String(origin.dropFirst(scheme.count))
                // A serialised origin omits the default port; a Host field may include it.
                return authority == host || authority + defaultPort == host
            }
            return false
        }
    }
}

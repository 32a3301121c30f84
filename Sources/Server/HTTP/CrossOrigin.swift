import HTTP

/// Which web pages may call (CORS), and what they are told.
///
/// Without a setting: any page when keys are needed (a page without a key gets nowhere); else only pages served from this
/// machine, since otherwise every page that its user visits could use the models behind the server.
struct CrossOrigin: Sendable {
    /// What of an answer a page may read.
    private static let exposedFields = [
        "x-request-id", "interject-session", "interject-upstream", "retry-after", "retry-after-ms", "idempotent-replayed",
        "x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests", "x-ratelimit-limit-tokens",
        "x-ratelimit-remaining-tokens",
        "x-ratelimit-reset-tokens",
    ].joined(separator: ", ")

    private let allowed: [String]?
    private let keysAreRequired: Bool
    /// Whether the name that the client calls the server by must be one of this machine's: on a server without keys that only
    /// this machine can reach, another name means that a page has its own name resolve to the loopback address (DNS rebinding).
    private let checksHost: Bool

    init(allowed: [String]?, keysAreRequired: Bool, isLoopbackOnly: Bool) {
        self.allowed = allowed
        self.keysAreRequired = keysAreRequired
        checksHost = !keysAreRequired && isLoopbackOnly
    }

    /// Refuses what a page that may not call has sent. A browser hides the answer from such a page, but lets it ask.
    func check(_ request: RequestHead) throws(APIError) {
        if let origin = request.fields["origin"], !allows(origin), !Self.isSame(origin, request.authority) {
            throw APIError(
                status: .forbidden,
                message: "Pages from '\(origin)' may not call here. The operator can allow them with --allow-origin.",
                code: "origin_not_allowed")
        }
        if checksHost, let authority = request.authority, !Self.isLoopback("http://" + authority), !isAllowedHost(authority) {
            throw APIError(
                status: .forbidden,
                message:
                    "This server is for its own machine: call it as 'localhost', or let the operator set --api-key or --allow-origin.",
                code: "host_not_allowed")
        }
    }

    private func isAllowedHost(_ authority: String) -> Bool {
        allowed?.contains { $0 == "*" || Self.isSame($0, authority) } ?? false
    }

    /// Whether a page was served by the very host and port that it calls.
    private static func isSame(_ origin: String, _ authority: String?) -> Bool {
        guard let authority = authority?.lowercased() else { return false }
        return ["http://", "https://"].contains { origin.lowercased() == $0 + authority }
    }

    func allows(_ origin: String) -> Bool {
        if let allowed { return allowed.contains("*") || allowed.contains { $0.lowercased() == origin.lowercased() } }
        return keysAreRequired || Self.isLoopback(origin)
    }

    /// The fields for an answer to a page that may call; none for a request that is from no page, or from one that may not.
    func fields(for request: RequestHead) -> [(name: String, value: String)] {
        guard let origin = request.fields["origin"], allows(origin) else { return [] }
        return [
            ("Access-Control-Allow-Origin", origin), ("Vary", "Origin"),
            ("Access-Control-Expose-Headers", Self.exposedFields),
        ]
    }

    /// The further fields for an answer to a preflight.
    func preflightFields(for request: RequestHead) -> [(name: String, value: String)] {
        [
            ("Access-Control-Allow-Methods", "GET, POST, DELETE, HEAD, OPTIONS"),
            // What the page asks for: headers of SDKs change with each version, and none of them is a privilege here.
            ("Access-Control-Allow-Headers", request.fields["access-control-request-headers"] ?? "authorization, content-type"),
            ("Access-Control-Max-Age", "86400"),
        ]
    }

    /// Whether an origin's host is this machine, by its own names and addresses only.
    private static func isLoopback(_ origin: String) -> Bool {
        guard let scheme = ["http://", "https://"].first(where: { origin.lowercased().hasPrefix($0) }) else { return false }
        let authority = origin.dropFirst(scheme.count).lowercased()
        if authority.hasPrefix("[") { return authority == "[::1]" || authority.hasPrefix("[::1]:") }
        let host = authority.prefix { $0 != ":" }
        return host == "localhost" || host.hasSuffix(".localhost") || isLoopbackAddress(host)
    }

    /// 127.0.0.0/8 in its dotted form: `127.evil.example` begins like one and is none.
    private static func isLoopbackAddress(_ host: Substring) -> Bool {
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
    }
}

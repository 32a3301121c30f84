import HTTP

/// Decides which web pages may call (CORS), and writes the header fields for them.
///
/// Without a setting: any page if keys are required (a page without a key gets nowhere), otherwise only pages served from this
/// machine, since every page that its user visits could otherwise use the models behind the server.
struct CrossOrigin: Sendable {
    /// Response headers that a page may read.
    private static let exposedFields = [
        "x-request-id", "interject-session", "interject-upstream", "retry-after", "retry-after-ms", "idempotent-replayed",
        "x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests", "x-ratelimit-limit-tokens",
        "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens", "x-should-retry",
    ].joined(separator: ", ")
    private static let vary = (name: "Vary", value: "Origin")

    private enum Rule {
        case any
        /// Pages served from this machine.
        case local
        /// Pages in the setting, and whether it includes those without an origin (`null`: files, sandboxed frames).
        case listed(Set<WebOrigin>, opaque: Bool)
    }

    /// The source of a request, from its Origin field.
    private enum Source {
        case unnamed
        case page(WebOrigin)
        /// `null`.
        case opaque
        case malformed

        init(_ text: String?) {
            guard let text else {
                self = .unnamed
                return
            }
            self = text == "null" ? .opaque : WebOrigin(text).map { .page($0) } ?? .malformed
        }
    }

    private let rule: Rule
    /// Whether the client must call the server by a name of this machine: on a server without keys that is reachable from this
    /// machine only, any other name means that a page resolves its own name to the loopback address (DNS rebinding).
    private let checksHost: Bool

    /// - Parameter allowed: origins, `null`, or `*`; nil if not set.
    init(allowed: [String]?, keysAreRequired: Bool, isLoopbackOnly: Bool) {
        if let allowed {
            rule =
                allowed.contains("*") ? .any : .listed(Set(allowed.compactMap { WebOrigin($0) }), opaque: allowed.contains("null"))
        } else {
            rule = keysAreRequired ? .any : .local
        }
        checksHost = !keysAreRequired && isLoopbackOnly
    }

    /// Refuses requests of pages that may not call. A browser hides the response from such a page, but does send the request.
    ///
    /// - Parameter isByUnixSocket: a browser reaches a Unix socket only through a proxy. Its pages are checked all the same; the
    ///   name is up to the proxy.
    func check(_ request: RequestHead, isByUnixSocket: Bool) throws(APIError) {
        let text = request.fields["origin"]
        let source = Source(text)
        if case .unnamed = source {
            // An image, a script or a link: a GET without Origin.
            guard allowsUnnamed(request) else {
                throw APIError(
                    status: .forbidden,
                    message: """
                        A page from elsewhere may not call here, and without an Origin header it cannot be told which one it is: \
                        call with fetch in CORS mode, from a page that the operator allows with --allow-origin.
                        """,
                    code: "origin_not_allowed")
            }
        } else if !allows(source), !Self.isSame(source, request.authority) {
            throw APIError(
                status: .forbidden,
                message: "Pages from '\(text ?? "")' may not call here. The operator can allow them with --allow-origin.",
                code: "origin_not_allowed")
        }
        if checksHost, !isByUnixSocket, let authority = request.authority, !isOwnName(authority) {
            throw APIError(
                status: .forbidden,
                message:
                    "This server is for its own machine: call it as 'localhost', or let the operator set --api-key or --allow-origin.",
                code: "host_not_allowed")
        }
    }

    /// Checks Fetch Metadata in a request without Origin, such as for an image or a link from another site. Only browsers send
    /// these fields.
    private func allowsUnnamed(_ request: RequestHead) -> Bool {
        guard let site = request.fields["sec-fetch-site"]?.lowercased(), site != "none", site != "same-origin" else { return true }
        switch rule {
        case .any: return true
        // Another port of the same host: of this machine, if the host is.
        case .local: return site == "same-site" && request.authority.flatMap { WebOrigin("http://" + $0) }?.isLoopback ?? false
        case .listed: return false
        }
    }

    /// Whether the name is this machine's, or one expected by the operator.
    private func isOwnName(_ authority: String) -> Bool {
        if WebOrigin("http://" + authority)?.isLoopback ?? false { return true }
        switch rule {
        case .any: return true
        case .local: return false
        case .listed(let origins, _): return origins.contains { $0.isServed(by: authority) }
        }
    }

    /// Whether a page was served from the host and port that it calls.
    private static func isSame(_ source: Source, _ authority: String?) -> Bool {
        guard case .page(let origin) = source, let authority else { return false }
        return origin.isServed(by: authority)
    }

    /// - Parameter origin: as sent by a browser.
    func allows(_ origin: String) -> Bool { allows(Source(origin)) }

    private func allows(_ source: Source) -> Bool {
        switch (rule, source) {
        case (.any, _): true
        case (.local, .page(let origin)): origin.isLoopback
        case (.listed(let origins, _), .page(let origin)): origins.contains(origin)
        case (.listed(_, let opaque), .opaque): opaque
        case (.local, _), (.listed, _): false
        }
    }

    /// CORS fields of every response: that it varies by origin, and, for a page that may call, that it may be read.
    func fields(for request: RequestHead) -> [(name: String, value: String)] { fields(origin: request.fields["origin"]) }

    /// - Parameters:
    ///   - origin: the Origin field.
    ///   - isHeadWhole: whether a nil origin means that there was none.
    func fields(origin: String?, isHeadWhole: Bool = true) -> [(name: String, value: String)] {
        if let origin {
            switch Source(origin) {
            case .page, .opaque: return allows(origin) ? Self.allowing(origin) : [Self.vary]
            case .unnamed, .malformed: return [Self.vary]
            }
        }
        // The origin was not read: if any page may call, any may read the response.
        if !isHeadWhole, case .any = rule { return Self.allowing("*") }
        return [Self.vary]
    }

    private static func allowing(_ origin: String) -> [(name: String, value: String)] {
        [("Access-Control-Allow-Origin", origin), vary, ("Access-Control-Expose-Headers", exposedFields)]
    }

    /// Further fields for a preflight response.
    /// - Parameter methods: names of the supported methods.
    func preflightFields(for request: RequestHead, methods: String) -> [(name: String, value: String)] {
        [
            ("Access-Control-Allow-Methods", methods),
            // Whatever the page requests: SDKs' fields change with each version, and none confers a privilege here.
            ("Access-Control-Allow-Headers", request.fields["access-control-request-headers"] ?? "authorization, content-type"),
            ("Access-Control-Max-Age", "86400"),
        ]
    }
}

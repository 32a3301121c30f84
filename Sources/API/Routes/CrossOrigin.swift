import HTTP

/// Which web pages may call (CORS), and what they are told.
///
/// Without a setting: any page when keys are needed (a page without a key gets nowhere); else only pages served from this
/// machine, since otherwise every page that its user visits could use the models behind the server.
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
        /// Pages of this machine.
        case local
        /// Those of the setting, and whether those without an origin (`null`: files, sandboxed frames) are among them.
        case listed(Set<WebOrigin>, opaque: Bool)
    }

    /// Where a request comes from, by its Origin field.
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
    /// Whether the name that the client calls the server by must be one of this machine's: on a server without keys that only
    /// this machine can reach, another name means that a page has its own name resolve to the loopback address (DNS rebinding).
    private let checksHost: Bool

    /// - Parameter allowed: origins, `null`, or `*`; nil: the setting is not given.
    init(allowed: [String]?, keysAreRequired: Bool, isLoopbackOnly: Bool) {
        if let allowed {
            rule =
                allowed.contains("*") ? .any : .listed(Set(allowed.compactMap { WebOrigin($0) }), opaque: allowed.contains("null"))
        } else {
            rule = keysAreRequired ? .any : .local
        }
        checksHost = !keysAreRequired && isLoopbackOnly
    }

    /// Refuses what a page that may not call has sent. A browser hides the answer from such a page, but lets it ask.
    ///
    /// - Parameter isByUnixSocket: a browser reaches that by a proxy only. Its pages are looked at all the same; the name is the
    ///   proxy's affair.
    func check(_ request: RequestHead, isByUnixSocket: Bool) throws(APIError) {
        let text = request.fields["origin"]
        let source = Source(text)
        if case .unnamed = source {
            // An image, a script, a link: no Origin, and a GET all the same.
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

    /// What a browser says of a request without Origin (Fetch Metadata): such as an image or a link from elsewhere causes. Programs
    /// send no such field.
    private func allowsUnnamed(_ request: RequestHead) -> Bool {
        guard let site = request.fields["sec-fetch-site"]?.lowercased(), site != "none", site != "same-origin" else { return true }
        switch rule {
        case .any: return true
        // Another port of the same name: of this machine, if the name is.
        case .local: return site == "same-site" && request.authority.flatMap { WebOrigin("http://" + $0) }?.isLoopback ?? false
        case .listed: return false
        }
    }

    /// Whether the name is this machine's, or one that the operator expects.
    private func isOwnName(_ authority: String) -> Bool {
        if WebOrigin("http://" + authority)?.isLoopback ?? false { return true }
        switch rule {
        case .any: return true
        case .local: return false
        case .listed(let origins, _): return origins.contains { $0.isServed(by: authority) }
        }
    }

    /// Whether a page was served by the very host and port that it calls.
    private static func isSame(_ source: Source, _ authority: String?) -> Bool {
        guard case .page(let origin) = source, let authority else { return false }
        return origin.isServed(by: authority)
    }

    /// - Parameter origin: as a browser sent it.
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

    /// The fields that every answer has: which origins it is for, and to a page that may call, that it may read it.
    func fields(for request: RequestHead) -> [(name: String, value: String)] { fields(origin: request.fields["origin"]) }

    /// - Parameters:
    ///   - origin: as it was sent.
    ///   - isHeadWhole: whether there is no other field when it is nil.
    func fields(origin: String?, isHeadWhole: Bool = true) -> [(name: String, value: String)] {
        if let origin {
            switch Source(origin) {
            case .page, .opaque: return allows(origin) ? Self.allowing(origin) : [Self.vary]
            case .unnamed, .malformed: return [Self.vary]
            }
        }
        // Whoever sent it was not read: where any page may call, the answer may be read by any.
        if !isHeadWhole, case .any = rule { return Self.allowing("*") }
        return [Self.vary]
    }

    private static func allowing(_ origin: String) -> [(name: String, value: String)] {
        [("Access-Control-Allow-Origin", origin), vary, ("Access-Control-Expose-Headers", exposedFields)]
    }

    /// The further fields for an answer to a preflight.
    /// - Parameter methods: names of those that the server takes.
    func preflightFields(for request: RequestHead, methods: String) -> [(name: String, value: String)] {
        [
            ("Access-Control-Allow-Methods", methods),
            // What the page asks for: headers of SDKs change with each version, and none of them is a privilege here.
            ("Access-Control-Allow-Headers", request.fields["access-control-request-headers"] ?? "authorization, content-type"),
            ("Access-Control-Max-Age", "86400"),
        ]
    }
}

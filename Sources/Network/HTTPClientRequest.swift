public import HTTP

/// A request for ``HTTPClient``.
public struct HTTPClientRequest: Sendable {
    public var method: String
    /// Absolute, `http` or `https`.
    public var url: String
    /// `Accept-Encoding: identity` is added. The body is delivered as received, unless ``unpacksBody``.
    public var fields: HeaderFields
    /// Whether to decompress a body that is compressed anyway (gzip, deflate). Other codings, and implausible compression ratios,
    /// end the transfer.
    public var unpacksBody = false
    public var body: [UInt8]
    /// For name resolution, TCP and TLS together.
    public var connectTimeout = Duration.seconds(10)
    /// Longest time without a received byte, or a sent byte of the body; applies before the first byte, too.
    public var silenceTimeout = Duration.seconds(60)
    /// For the whole transfer; nil for none.
    public var totalTimeout: Duration?
    /// Which addresses it may connect to.
    public var destinations = DestinationPolicy.anywhere
    /// Where to connect in place of the URL's host and port; nil for these.
    public var unixSocketPath: String?
    /// PEM file of the authorities to trust instead of the system's.
    public var authorities: String?
    /// Whether it may go through a proxy that the environment names, and over a pooled connection. A transfer on a connection of its
    /// own is never repeated by libcurl, whatever happens to the connection: what it means is the caller's to decide.
    public var sharesConnections = true

    public init(method: String = "GET", url: String, fields: HeaderFields = HeaderFields(), body: [UInt8] = []) {
        self.method = method
        self.url = url
        self.fields = fields
        self.body = body
    }

    /// Whether the connection must be opened for it, to where the URL says. A proxy could connect anywhere, and a pooled connection
    /// was opened without the check of ``destinations``.
    var needsOwnConnection: Bool { !sharesConnections || destinations != .anywhere }

    /// Whether a proxy that the environment names may be used.
    var mayUseProxy: Bool { !needsOwnConnection && !Self.isLoopback(host: Self.host(of: url)) }

    /// Whether there is no choice of addresses to connect to: loopback, a Unix socket.
    private var hasOneAddress: Bool { unixSocketPath != nil || Self.isLoopback(host: Self.host(of: url)) }

    /// Whether connecting is one step, which cannot hang behind a first one that went well: libcurl may try a pooled connection, and
    /// then a new one with a handshake.
    var connectsInOneStep: Bool { hasOneAddress && !isSecure }

    var isSecure: Bool { url.lowercased().hasPrefix("https:") }

    /// Host and port of a URL, without user and password, for messages.
    public static func authority(of url: String) -> String {
        let rest = url.firstRange(of: "://").map { url[$0.upperBound...] } ?? url[...]
        let authority = rest.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
        return String(authority.lastIndex(of: "@").map { authority[authority.index(after: $0)...] } ?? authority)
    }

    /// Host of a URL in lower case, without port and brackets.
    public static func host(of url: String) -> String {
        let authority = authority(of: url).lowercased()
        if authority.hasPrefix("[") { return String(authority.dropFirst().prefix { $0 != "]" }) }
        return String(authority.prefix { $0 != ":" })
    }

    /// Whether the host is a loopback name or address, for which no proxy is used.
    static func isLoopback(host: String) -> Bool {
        host == "localhost" || host.hasSuffix(".localhost") || host.hasPrefix("127.") || host == "::1"
    }
}

/// Status and fields of a response to an ``HTTPTransfer``.
public struct HTTPClientResponse: Sendable {
    public let status: Int
    public internal(set) var fields = HeaderFields()
}

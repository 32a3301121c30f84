public import HTTP

/// A request to be made by an ``HTTPClient``.
public struct HTTPClientRequest: Sendable {
    public var method: String
    /// Absolute, `http` or `https`.
    public var url: String
    /// `Accept-Encoding: identity` is added: what arrives is delivered as it is, unless ``unpacksBody``.
    public var fields: HeaderFields
    /// Whether a body that comes packed all the same (gzip, deflate) is delivered unpacked. Another coding, and one that unpacks to far
    /// more than honest answers do, ends the transfer.
    public var unpacksBody = false
    public var body: [UInt8]
    /// For name look-up, TCP and TLS together.
    public var connectTimeout = Duration.seconds(10)
    /// Given up when no byte came (nor one of the body went) for so long, before the first byte too.
    public var silenceTimeout = Duration.seconds(60)
    /// For the whole; none when nil.
    public var totalTimeout: Duration?
    /// Where it may connect to.
    public var destinations = DestinationPolicy.anywhere

    public init(method: String = "GET", url: String, fields: HeaderFields = HeaderFields(), body: [UInt8] = []) {
        self.method = method
        self.url = url
        self.fields = fields
        self.body = body
    }

    var isSecure: Bool { url.lowercased().hasPrefix("https:") }

    /// Host and port of a URL, without user and password: fit for messages to people.
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

    /// Whether the host is this machine by its name or address: then no proxy has anything to do with it.
    static func isLoopback(host: String) -> Bool {
        host == "localhost" || host.hasSuffix(".localhost") || host.hasPrefix("127.") || host == "::1"
    }
}

/// Status and fields of a response to an ``HTTPTransfer``.
public struct HTTPClientResponse: Sendable {
    public let status: Int
    public internal(set) var fields = HeaderFields()
}

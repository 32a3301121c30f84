import Bytes

/// The origin of a web page (RFC 6454 §4; WHATWG HTML "origin"): scheme, host and port, normalised as browsers compare them.
///
/// Scheme and host are lower case, internationalised hosts are in `xn--` form, addresses in the form of RFC 5952, and the scheme's
/// default port is omitted. Origins are the same if and only if they are equal.
public struct WebOrigin: Hashable, Sendable, CustomStringConvertible {
    public let scheme: String
    /// A name, an IPv4 address, or an IPv6 address in brackets; empty only with `file`.
    public let host: String
    /// nil: the scheme's default.
    public let port: UInt16?

    /// Longest accepted text, in bytes: a scheme, a host name (253) and a port, with room for non-ASCII characters.
    static let maxTextByteCount = 1024

    /// Reads `scheme://host[:port]`; nil for anything else, such as a path, user information, `*` or `null`.
    public init?(_ text: String) {
        guard text.utf8.count <= Self.maxTextByteCount, let colon = text.firstIndex(of: ":") else { return nil }
        let scheme = text[..<colon].lowercased()
        guard Self.isScheme(scheme), text[colon...].hasPrefix("://") else { return nil }
        let authority = text[text.index(colon, offsetBy: 3)...]
        guard let (host, port) = Self.split(authority) else { return nil }
        guard !host.isEmpty || scheme == "file" else { return nil }
        var name = ""
        if !host.isEmpty {
            guard let canonical = Self.canonical(host) else { return nil }
            name = canonical
        }
        self.scheme = scheme
        self.host = name
        self.port = port == Self.ownPort(scheme) ? nil : port
    }

    public var description: String { "\(scheme)://\(host)\(port.map { ":\($0)" } ?? "")" }

    /// Whether the host is this machine by a loopback name or address: `localhost`, `*.localhost`, 127.0.0.0/8, `[::1]`.
    public var isLoopback: Bool {
        guard scheme == "http" || scheme == "https" else { return false }
        let name = host.hasSuffix(".") ? String(host.dropLast()) : host
        if name == "localhost" || name.hasSuffix(".localhost") { return true }
        let address = host.hasPrefix("[") ? IPAddress(String(host.dropFirst().dropLast())) : IPAddress(host)
        return address?.isLoopback ?? false
    }

    /// Whether a page of this origin was served by the host and port that it calls. The scheme may differ, because a proxy may
    /// terminate TLS.
    /// - Parameter authority: `host[:port]` of the request.
    public func isServed(by authority: String) -> Bool {
        (scheme == "http" || scheme == "https") && WebOrigin("\(scheme)://\(authority)") == self
    }

    private static func ownPort(_ scheme: String) -> UInt16? {
        switch scheme {
        case "http", "ws": 80
        case "https", "wss": 443
        default: nil
        }
    }

    /// RFC 3986 §3.1, in lower case.
    private static func isScheme(_ text: String) -> Bool {
        guard let first = text.utf8.first, (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(first) else { return false }
        return text.utf8.allSatisfy {
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0) || $0.isDigit || "+-.".utf8.contains($0)
        }
    }

    private static func split(_ authority: Substring) -> (host: Substring, port: UInt16?)? {
        var hostEnd = authority.endIndex
        if authority.hasPrefix("[") {
            guard let bracket = authority.firstIndex(of: "]") else { return nil }
            hostEnd = authority.index(after: bracket)
        } else if let colon = authority.firstIndex(of: ":") {
            hostEnd = colon
        }
        let rest = authority[hostEnd...]
        if rest.isEmpty || rest == ":" { return (authority[..<hostEnd], nil) }
        let digits = rest.dropFirst()
        guard rest.hasPrefix(":"), digits.utf8.allSatisfy(\.isDigit), let port = UInt16(digits) else { return nil }
        return (authority[..<hostEnd], port)
    }

    private static func canonical(_ host: Substring) -> String? {
        if host.hasPrefix("[") {
            guard let address = IPAddress(String(host.dropFirst().dropLast())), !address.isIPv4 else { return nil }
            return "[\(address)]"
        }
        guard let name = DomainName.ascii(String(host)) else { return nil }
        // A name whose last label is a number must be an address (WHATWG URL, "ends in a number").
        if let last = name.split(separator: ".").last, last.utf8.allSatisfy(\.isDigit) {
            guard let address = IPAddress(name), address.isIPv4 else { return nil }
            return address.description
        }
        return name
    }
}

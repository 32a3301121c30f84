import Bytes

/// The URL of an endpoint, validated without name resolution.
package struct WebhookURL: Sendable, Hashable {
    /// The reason for which a URL is rejected.
    package enum Problem: Error, Sendable, Hashable, CustomStringConvertible {
        case notAbsolute, tooLong, credentials, port(Int), privateHost(String)

        package var description: String {
            switch self {
            case .notAbsolute: "it must be an absolute http or https URL in ASCII, without a fragment"
            case .tooLong: "it has more than \(WebhookURL.maxByteCount) bytes"
            case .credentials: "it must contain no user or password: requests are authenticated by their signature"
            case .port(let port):
                "port \(port) is reserved for another protocol: use 80, 443, or 1024 and above; the operator can allow it with --webhooks-allow-private"
            case .privateHost(let host):
                "'\(host)' is not on the public Internet: the operator can allow it with --webhooks-allow-private"
            }
        }
    }

    /// Longest URL, in bytes.
    package static let maxByteCount = 2048
    /// Names reserved for the local machine and private networks (RFC 6761, RFC 6762, RFC 8375, ICANN's `.internal`).
    private static let privateSuffixes = ["localhost", "local", "internal", "home.arpa"]

    /// The URL as written.
    package let text: String
    /// Lower case, without the brackets of an IPv6 address.
    package let host: String
    package let port: Int

    /// - Parameter allowsPrivate: whether to allow addresses outside of the public Internet.
    package init(_ text: String, allowsPrivate: Bool) throws(Problem) {
        guard text.utf8.count <= Self.maxByteCount else { throw .tooLong }
        let lower = text.lowercased()
        let defaultPort: Int
        if lower.hasPrefix("https://") {
            defaultPort = 443
        } else if lower.hasPrefix("http://") {
            defaultPort = 80
        } else {
            throw .notAbsolute
        }
        guard text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\\") && $0 != UInt8(ascii: "#") }) else {
            throw .notAbsolute
        }
        let rest = lower.dropFirst(defaultPort == 443 ? 8 : 7)
        let authority = rest.prefix { $0 != "/" && $0 != "?" }
        if authority.contains("@") { throw .credentials }
        var portText = Substring()
        if authority.hasPrefix("[") {
            guard let end = authority.firstIndex(of: "]") else { throw .notAbsolute }
            host = String(authority[authority.index(after: authority.startIndex)..<end])
            portText = authority[authority.index(after: end)...]
            guard IPAddress(host) != nil, portText.isEmpty || portText.hasPrefix(":") else { throw .notAbsolute }
        } else {
            host = String(authority.prefix { $0 != ":" })
            portText = authority.dropFirst(host.count)
        }
        guard !host.isEmpty else { throw .notAbsolute }
        if portText.isEmpty {
            port = defaultPort
        } else {
            guard let number = UInt16(portText.dropFirst()), number > 0 else { throw .notAbsolute }
            port = Int(number)
        }
        self.text = text
        if allowsPrivate { return }
        // A port implies no trust, but port 25 might interpret the request as mail.
        guard port == 80 || port == 443 || port >= 1024 else { throw .port(port) }
        if let address = IPAddress(host), !address.isPublic { throw .privateHost(host) }
        let name = host.hasSuffix(".") ? String(host.dropLast()) : host
        if Self.privateSuffixes.contains(where: { name == $0 || name.hasSuffix("." + $0) }) { throw .privateHost(host) }
    }
}

import Network

/// Where a server is that we are a client of.
struct ServerURL: Sendable {
    let address: SocketAddress
    /// The Host field's value.
    let host: String
    /// As it was given, for messages.
    let text: String
    /// The name that the server's certificate must be for; nil where TLS is not spoken.
    let secureName: String?
    /// Whom we trust; set by ``secured(authorities:)``.
    private var tls: TLSClientContext?
    /// PEM file of the authorities that we trust; nil for the system's.
    private(set) var authorities: String?

    /// Reads `http(s)://host:port` or `unix:PATH`; also `host:port` alone, and the base URL of an API, which ends in `/v1`.
    static func read(_ text: String) throws(InvalidValue) -> ServerURL {
        if text.hasPrefix("unix:"), text.utf8.count > 5 {
            return ServerURL(address: .unix(path: String(text.dropFirst(5))), host: "localhost", text: text, secureName: nil)
        }
        var shown = text
        if !text.contains("://"), let colon = text.lastIndex(of: ":"),
            UInt16(text[text.index(after: colon)...].prefix { $0 != "/" }) != nil
        {
            shown = "http://" + text
        }
        while shown.hasSuffix("/") { shown.removeLast() }
        if shown.hasSuffix("/v1") { shown.removeLast(3) }
        while shown.hasSuffix("/") { shown.removeLast() }
        guard let parts = URLParts(shown), parts.path.isEmpty else {
            throw InvalidValue("\"\(text)\" is not a server's URL: give http://HOST:PORT, https://HOST:PORT or unix:PATH")
        }
        return ServerURL(
            address: .tcp(host: parts.host, port: parts.port), host: parts.authority, text: shown,
            secureName: parts.isSecure ? parts.host : nil)
    }

    /// The URL of a listener: loopback where it listens on every network.
    init(listener: SocketAddress, isSecure: Bool = false) {
        switch listener {
        case .unix:
            address = listener
            host = "localhost"
            text = "\(listener)"
            secureName = nil
        case .tcp(let host, let port):
            let reachable = host == "0.0.0.0" ? "127.0.0.1" : host == "::" ? "::1" : host
            address = .tcp(host: reachable, port: port)
            self.host = "\(address)"
            text = "\(isSecure ? "https" : "http")://\(address)"
            secureName = isSecure ? reachable : nil
        }
    }

    private init(address: SocketAddress, host: String, text: String, secureName: String?) {
        self.secureName = secureName
        self.address = address
        self.host = host
        self.text = text
    }

    /// The same place, with whom to trust there: the system's authorities, or those in a file.
    func secured(authorities: String?) throws(InvalidValue) -> ServerURL {
        guard secureName != nil else {
            if authorities == nil { return self }
            throw InvalidValue("\(text) speaks no TLS: a CA file is for https")
        }
        var url = self
        url.authorities = authorities
        do throws(TLSFileError) {
            url.tls = try TLSClientContext(authorities: authorities)
        } catch {
            throw InvalidValue("\(error)")
        }
        return url
    }

    /// The layer for one connection there; nil where TLS is not spoken.
    func layer() -> SocketLayer? {
        secureName.flatMap { name in tls?.layer(host: name) }
    }
}

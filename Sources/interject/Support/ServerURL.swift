import Network

/// The URL of a server that a command connects to.
struct ServerURL: Sendable {
    let address: SocketAddress
    /// Value of the Host field.
    let host: String
    /// The URL as given, for messages.
    let text: String
    /// The name that the server's certificate must have; nil without TLS.
    let secureName: String?
    /// The trusted authorities; set by ``secured(authorities:)``.
    private var tls: TLSClientContext?
    /// PEM file of the trusted authorities; nil for the system's.
    private(set) var authorities: String?

    /// Parses `http(s)://host:port` or `unix:PATH`; also `host:port` alone, and the base URL of an API, which ends in `/v1`.
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

    /// The URL of a listener: loopback if it listens on all networks.
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

    /// The same URL with the trusted authorities: the system's, or those in a file.
    func secured(authorities: String?) throws(InvalidValue) -> ServerURL {
        guard secureName != nil else {
            if authorities == nil { return self }
            throw InvalidValue("\(text) does not use TLS: a CA file is only for https")
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

    /// The TLS layer for one connection; nil without TLS.
    func layer() -> SocketLayer? {
        secureName.flatMap { name in tls?.layer(host: name) }
    }
}

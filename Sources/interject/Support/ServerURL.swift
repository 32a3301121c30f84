import Network

/// Where a server is that we are a client of.
struct ServerURL: Equatable, Sendable {
    let address: SocketAddress
    /// The Host field's value.
    let host: String
    /// As it was given, for messages.
    let text: String

    /// Reads `http://host:port` or `unix:PATH`.
    static func read(_ text: String) throws(InvalidValue) -> ServerURL {
        if text.hasPrefix("unix:"), text.utf8.count > 5 {
            return ServerURL(address: .unix(path: String(text.dropFirst(5))), host: "localhost", text: text)
        }
        guard let parts = URLParts(text), parts.path.allSatisfy({ $0 == "/" }) else {
            throw InvalidValue("\"\(text)\" is not a server's URL: give http://HOST:PORT or unix:PATH")
        }
        if parts.isSecure { throw InvalidValue("\"\(text)\": https is not spoken yet: give http://HOST:PORT") }
        var shown = text
        while shown.hasSuffix("/") { shown.removeLast() }
        return ServerURL(address: .tcp(host: parts.host, port: parts.port), host: parts.authority, text: shown)
    }

    /// The URL of a listener: loopback where it listens on every network.
    init(listener: SocketAddress) {
        switch listener {
        case .unix:
            address = listener
            host = "localhost"
            text = "\(listener)"
        case .tcp(let host, let port):
            let reachable = host == "0.0.0.0" ? "127.0.0.1" : host == "::" ? "::1" : host
            address = .tcp(host: reachable, port: port)
            self.host = "\(address)"
            text = "http://\(address)"
        }
    }

    private init(address: SocketAddress, host: String, text: String) {
        self.address = address
        self.host = host
        self.text = text
    }
}

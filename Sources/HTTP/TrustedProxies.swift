public import Bytes

/// The scheme by which the client reached the first trusted proxy.
public enum ClientScheme: String, Sendable, Hashable {
    case http, https

    /// Also `ws` and `wss`, which some proxies send for WebSockets.
    init?(_ text: UnsafeRawBufferPointer) {
        if text.equalsIgnoringCase("http") || text.equalsIgnoringCase("ws") {
            self = .http
        } else if text.equalsIgnoringCase("https") || text.equalsIgnoringCase("wss") {
            self = .https
        } else {
            return nil
        }
    }
}

/// The client of a request, as far as known.
public struct RequestClient: Sendable, Hashable {
    /// Nil for a Unix socket without forwarded address.
    public var address: IPAddress?
    /// Nil if no trusted proxy provides it.
    public var scheme: ClientScheme?

    public init(address: IPAddress?, scheme: ClientScheme? = nil) {
        self.address = address
        self.scheme = scheme
    }
}

/// Why the fields from a trusted proxy are unreliable. Answer 400.
public enum ForwardedError: Error, Hashable, Sendable {
    /// `Forwarded` is malformed: a client's unclosed quote could hide the part appended by the proxy.
    case malformed
    /// `Forwarded` and `X-Forwarded-For` name different clients: one of them comes from the client itself.
    case contradiction

    /// One sentence for the operator of the proxy.
    public var advice: String {
        switch self {
        case .malformed: "The Forwarded header is not as RFC 7239 has it; have the proxy replace what clients send."
        case .contradiction:
            "Forwarded and X-Forwarded-For name different clients; have the proxy drop the one that it does not write."
        }
    }
}

/// Proxies whose forwarded client addresses are accepted. None by default, because clients can send these fields, too.
public struct TrustedProxies: Sendable, Hashable {
    public var blocks: [CIDRBlock]
    /// Whether peers of Unix sockets are trusted proxies.
    public var includesUnixSockets: Bool

    public init(_ blocks: [CIDRBlock] = [], includesUnixSockets: Bool = false) {
        self.blocks = blocks
        self.includesUnixSockets = includesUnixSockets
    }

    public var isEmpty: Bool { blocks.isEmpty && !includesUnixSockets }

    /// - Parameter peer: nil for a Unix socket.
    public func trusts(_ peer: IPAddress?) -> Bool {
        guard let peer else { return includesUnixSockets }
        return blocks.contains { $0.contains(peer) }
    }

    /// The client of a request: the nearest hop that is not a trusted proxy, searched from the peer backwards.
    /// - Throws: ``ForwardedError``, only for the fields of a trusted peer.
    public func client(of peer: IPAddress?, _ fields: HeaderFields) throws(ForwardedError) -> RequestClient {
        if isEmpty || !trusts(peer) { return RequestClient(address: peer) }
        let hops = try ForwardedFields.forwarded(fields)
        let others = ForwardedFields.forwardedFor(fields)
        var client = follow(hops.isEmpty ? others : hops, from: peer)
        if !hops.isEmpty, !others.isEmpty, follow(others, from: peer).address != client.address { throw .contradiction }
        client.scheme = client.scheme ?? ForwardedFields.forwardedScheme(fields)
        return client
    }

    private func follow(_ hops: [ForwardedHop], from peer: IPAddress?) -> RequestClient {
        var client = RequestClient(address: peer)
        for hop in hops.reversed() {
            client.scheme = hop.scheme
            // A client obfuscated by a proxy is known only as that proxy; earlier hops may be forged by the client.
            guard let address = hop.address else { break }
            client.address = address
            if !trusts(address) { break }
        }
        return client
    }
}

public import Bytes

/// How a client reached the first proxy that we trust.
public enum ClientScheme: String, Sendable, Hashable {
    case http, https

    /// Also `ws` and `wss`, which some proxies say of WebSockets.
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

/// Who asks, as far as it is known.
public struct RequestClient: Sendable, Hashable {
    /// Nil for a Unix socket when no proxy says more.
    public var address: IPAddress?
    /// Nil when no trusted proxy says it.
    public var scheme: ClientScheme?

    public init(address: IPAddress?, scheme: ClientScheme? = nil) {
        self.address = address
        self.scheme = scheme
    }
}

/// Why what a trusted proxy passed on cannot be relied on. Answer 400.
public enum ForwardedError: Error, Hashable, Sendable {
    /// `Forwarded` breaks its grammar: a client's broken quote could hide what the proxy appended.
    case malformed
    /// `Forwarded` and `X-Forwarded-For` name different clients: one comes from the client itself, nobody knows which.
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

/// Proxies whose word about their clients counts. Nobody's by default: a client may send these fields, too.
public struct TrustedProxies: Sendable, Hashable {
    public var blocks: [CIDRBlock]
    /// Whether who connects by a Unix socket is a trusted proxy.
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

    /// Who stands behind a request: the nearest hop that is no proxy of ours, read from the peer backwards.
    /// - Throws: ``ForwardedError``, only for the fields of a peer that is trusted.
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
            // Whoever is hidden by a proxy is known only as that proxy; what stands before may be the client's invention.
            guard let address = hop.address else { break }
            client.address = address
            if !trusts(address) { break }
        }
        return client
    }
}

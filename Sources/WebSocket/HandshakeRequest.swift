/// The request that asks for a WebSocket, as the HTTP layer parsed it: RFC 6455 §4.1.
public struct HandshakeRequest: Sendable {
    /// As on the wire: methods are case-sensitive.
    public var method: String
    /// The x of HTTP/1.x.
    public var httpMinorVersion: Int
    let fields: HandshakeFields

    /// - Parameter fields: name and value of each header field in the order of the wire, repetitions included.
    public init(method: String, httpMinorVersion: Int, fields: [(name: String, value: String)]) {
        self.method = method
        self.httpMinorVersion = httpMinorVersion
        self.fields = HandshakeFields(fields)
    }

    /// The subprotocols the client offers, its favourite first.
    ///
    /// Browsers cannot set header fields, so credentials come here as well; see ``credential(prefix:)``.
    public var offeredSubprotocols: [String] { fields.list("sec-websocket-protocol") }

    /// The rest of the first offered subprotocol that starts with `prefix`: what
    /// `new WebSocket(url, ["realtime", "openai-insecure-api-key." + token])` puts there for want of an
    /// `Authorization` field. Nil when there is none or it is empty.
    public func credential(prefix: String) -> String? {
        guard let offer = offeredSubprotocols.first(where: { $0.hasPrefix(prefix) }) else { return nil }
        let credential = offer.dropFirst(prefix.count)
        return credential.isEmpty ? nil : String(credential)
    }
}

/// A request for a WebSocket, as parsed by the HTTP layer: RFC 6455 §4.1.
public struct HandshakeRequest: Sendable {
    /// As received: methods are case-sensitive.
    public var method: String
    /// The x of HTTP/1.x.
    public var httpMinorVersion: Int
    let fields: HandshakeFields

    /// - Parameter fields: name and value of each header field in wire order, including repeated ones.
    public init(method: String, httpMinorVersion: Int, fields: [(name: String, value: String)]) {
        self.method = method
        self.httpMinorVersion = httpMinorVersion
        self.fields = HandshakeFields(fields)
    }

    /// The offered subprotocols, in the client's order of preference.
    ///
    /// Browsers cannot set header fields, so credentials may arrive here, too; see ``credential(prefix:)``.
    public var offeredSubprotocols: [String] { fields.list("sec-websocket-protocol") }

    /// The rest of the first offered subprotocol that starts with `prefix`: what `new WebSocket(url, ["realtime",
    /// "openai-insecure-api-key." + token])` sends instead of an `Authorization` field. Nil if there is none, or it is empty.
    public func credential(prefix: String) -> String? {
        guard let offer = offeredSubprotocols.first(where: { $0.hasPrefix(prefix) }) else { return nil }
        let credential = offer.dropFirst(prefix.count)
        return credential.isEmpty ? nil : String(credential)
    }
}

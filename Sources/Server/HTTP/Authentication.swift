import Bytes
import HTTP

/// Finds out who calls.
struct Authentication: Sendable {
    /// The owner of everything on a server without keys.
    static let everybody = "everybody"
    /// How browsers send a key with a WebSocket, since they cannot set its header fields.
    static let subprotocolPrefix = "openai-insecure-api-key."

    private let principals: [ServerConfiguration.Principal]

    init(_ principals: [ServerConfiguration.Principal]) { self.principals = principals }

    var isRequired: Bool { !principals.isEmpty }

    /// - Throws: ``APIError`` 401 without a key or with a wrong one.
    func owner(_ request: RequestHead) throws(APIError) -> String {
        if principals.isEmpty { return Self.everybody }
        guard let key = Self.key(request) else {
            throw APIError(
                status: .unauthorized, message: "An API key is needed: send it as 'Authorization: Bearer KEY'.",
                type: "authentication_error", code: "missing_api_key", fields: [("WWW-Authenticate", "Bearer")])
        }
        var found: String?
        // Every key is compared, and whole, so that the time taken tells nothing.
        for principal in principals where Self.areEqual(principal.key, key) { found = principal.name }
        guard let found else {
            throw APIError(
                status: .unauthorized, message: "The API key is not known here.", type: "authentication_error",
                code: "invalid_api_key", fields: [("WWW-Authenticate", "Bearer")])
        }
        return found
    }

    static func key(_ request: RequestHead) -> String? {
        if let header = request.fields["authorization"] {
            let parts = header.split(separator: " ", maxSplits: 1)
            if parts.count == 2, parts[0].lowercased() == "bearer" { return String(parts[1]) }
            return nil
        }
        // Anthropic's clients name it so.
        if let header = request.fields["x-api-key"] { return header }
        for value in request.fields.values(of: "sec-websocket-protocol") {
            for offer in value.split(separator: ",") {
                let name = offer.drop { $0 == " " }
                if name.hasPrefix(subprotocolPrefix) {
                    return String(name.dropFirst(subprotocolPrefix.count).prefix { $0 != " " })
                }
            }
        }
        return nil
    }

    static func areEqual(_ left: String, _ right: String) -> Bool {
        let left = Array(left.utf8)
        let right = Array(right.utf8)
        var difference = left.count ^ right.count
        for index in left.indices { difference |= Int(left[index] ^ (index < right.count ? right[index] : 0)) }
        return difference == 0
    }
}

import Bytes
import Digests
import Glibc
import JSON

/// Bearer tokens for browsers and other clients that must not have a key: short-lived, with no more rights than the key that they
/// were made with, possibly bound to one session. Signed, not stored: `ijt-PAYLOAD.SIGNATURE`, HMAC with SHA-256.
package struct ClientTokens: Sendable {
    static let prefix = "ijt-"
    /// The longest lifetime of a token.
    package static let maxLifetimeSeconds = 3600
    static let maxByteCount = 2048
    static let secretName = "client_tokens"

    private let secret: [UInt8]

    /// Tokens signed with `secret`.
    package init(secret: [UInt8]) { self.secret = secret }

    /// 256 random bits.
    static func makeSecret() -> [UInt8] {
        var generator = SystemRandomNumberGenerator()
        return (0..<32).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
    }

    /// Makes a token for the caller.
    /// - Parameter expiresAt: seconds since 1970.
    package func sign(_ caller: Caller, expiresAt: Int) -> String {
        var payload: JSONObject = [
            "o": .string(caller.owner), "k": .string(caller.keyID), "s": JSONValue(Int(caller.scopes.rawValue)),
            "x": JSONValue(expiresAt),
        ]
        if case .session(let id)? = caller.binding { payload["n"] = .string(id) }
        let body = Base64URL.encode(Array("\(JSONValue.object(payload))".utf8))
        return Self.prefix + body + "." + Base64URL.encode(HMACSHA256.code(of: Array(body.utf8), key: secret) ?? [])
    }

    /// The caller that a token authenticates; nil if the signature is wrong or the token has expired.
    /// - Parameter time: seconds since 1970.
    package func caller(_ token: String, at time: Int) -> Caller? {
        guard token.utf8.count <= Self.maxByteCount, token.hasPrefix(Self.prefix) else { return nil }
        let parts = token.dropFirst(Self.prefix.count).split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2, let signature = Base64URL.decode(parts[1]), let body = Base64URL.decode(parts[0]),
            HMACSHA256.isCode(signature, of: Array(parts[0].utf8), key: secret),
            let payload = try? JSONValue.parse(body), let owner = payload["o"]?.string, let keyID = payload["k"]?.string,
            let scopes = payload["s"]?.int, let expiresAt = payload["x"]?.int, time < expiresAt
        else { return nil }
        var caller = Caller(owner: owner, keyID: keyID, scopes: Scopes(rawValue: UInt32(truncatingIfNeeded: scopes)))
        caller.expiresAt = expiresAt
        caller.binding = payload["n"]?.string.map { .session($0) }
        caller.hasKey = false
        return caller
    }
}

/// Base64 with the URL-safe alphabet and without padding (RFC 4648 §5).
enum Base64URL {
    static func encode(_ bytes: [UInt8]) -> String {
        let text = bytes.withUnsafeBytes { Base64.encode($0) }
        return String(
            decoding: text.utf8.lazy.filter { $0 != UInt8(ascii: "=") }.map {
                switch $0 {
                case UInt8(ascii: "+"): UInt8(ascii: "-")
                case UInt8(ascii: "/"): UInt8(ascii: "_")
                default: $0
                }
            }, as: UTF8.self)
    }

    static func decode(_ text: String) -> [UInt8]? {
        guard !text.utf8.contains(where: { [UInt8(ascii: "+"), UInt8(ascii: "/"), UInt8(ascii: "=")].contains($0) }) else {
            return nil
        }
        var letters = text.utf8.map {
            switch $0 {
            case UInt8(ascii: "-"): UInt8(ascii: "+")
            case UInt8(ascii: "_"): UInt8(ascii: "/")
            default: $0
            }
        }
        while letters.count % 4 != 0 { letters.append(UInt8(ascii: "=")) }
        return try? Base64.decode(String(decoding: letters, as: UTF8.self))
    }
}

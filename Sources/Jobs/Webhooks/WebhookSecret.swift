import Bytes
import Digests

/// The signing key of an endpoint, as in Standard Webhooks.
package struct WebhookSecret: Sendable, Hashable {
    /// `whsec_` followed by base64, or any other text, whose UTF-8 is the key.
    package let text: String
    private let key: [UInt8]

    static let prefix = "whsec_"
    /// Size of generated keys, in bytes; Standard Webhooks requires 24 to 64.
    static let newByteCount = 32
    /// Minimum size of given keys, in bytes.
    package static let minByteCount = 16

    /// nil if too short, or `whsec_` with invalid base64.
    package init?(_ text: String) {
        if text.hasPrefix(Self.prefix) {
            guard let decoded = try? Base64.decode(String(text.dropFirst(Self.prefix.count))) else { return nil }
            key = decoded
        } else {
            key = Array(text.utf8)
        }
        guard key.count >= Self.minByteCount else { return nil }
        self.text = text
    }

    private init(key: [UInt8]) {
        self.key = key
        text = Self.prefix + key.withUnsafeBytes { Base64.encode($0) }
    }

    /// A random secret.
    static func random() -> WebhookSecret {
        var generator = SystemRandomNumberGenerator()
        return WebhookSecret(key: (0..<newByteCount).map { _ in UInt8.random(in: .min ... .max, using: &generator) })
    }

    /// The last characters, to identify the secret.
    package var hint: String { "…" + text.suffix(4) }

    /// `v1,` and the base64 of the HMAC-SHA256 of `id.timestamp.body`.
    /// - Returns: nil if OpenSSL fails (out of memory, or SHA-256 disabled by policy).
    package func signature(id: String, unixTime: Int, body: [UInt8]) -> String? {
        HMACSHA256.code(of: Array("\(id).\(unixTime).".utf8) + body, key: key).map { code in
            "v1," + code.withUnsafeBytes { Base64.encode($0) }
        }
    }
}

/// The secrets of an endpoint: the current one and, for a period after a rotation, the previous one.
package struct WebhookSecrets: Sendable, Hashable {
    package private(set) var current: WebhookSecret
    /// Also signs until the given time in seconds since 1970, so that receivers can switch without a gap.
    package private(set) var previous: (secret: WebhookSecret, until: Int)?

    package init(_ current: WebhookSecret, previous: (secret: WebhookSecret, until: Int)? = nil) {
        self.current = current
        self.previous = previous
    }

    /// - Parameter retainingOldUntil: end of the old secret's validity, in seconds since 1970; nil: immediately.
    mutating func rotate(to new: WebhookSecret, retainingOldUntil end: Int?) {
        previous = end.map { (current, $0) }
        current = new
    }

    /// Value of the header field: the signatures of all valid secrets, separated by spaces.
    package func signatures(id: String, unixTime: Int, body: [UInt8]) -> String? {
        var secrets = [current]
        if let previous, unixTime < previous.until { secrets.append(previous.secret) }
        let signatures = secrets.compactMap { $0.signature(id: id, unixTime: unixTime, body: body) }
        return signatures.count == secrets.count ? signatures.joined(separator: " ") : nil
    }

    package static func == (left: WebhookSecrets, right: WebhookSecrets) -> Bool {
        left.current == right.current && left.previous?.secret == right.previous?.secret
            && left.previous?.until == right.previous?.until
    }

    package func hash(into hasher: inout Hasher) { hasher.combine(current) }
}

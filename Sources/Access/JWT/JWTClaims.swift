import Bytes
import JSON

/// A token's claims about its owner, scopes and lifetime (RFC 7519 §4.1).
struct JWTClaims {
    /// Tolerated difference between clocks, in seconds.
    static let leeway = 30.0
    static let maxOwnerBytes = 256
    /// The expiry, in seconds since 1970, from which on a token counts as malformed.
    private static let endOfTime = 1e15

    let owner: String
    /// Nil if the claim is missing.
    let scopes: [String]?
    /// When the token expires on this server, in seconds since 1970.
    let expiresAt: Int

    /// - Parameters:
    ///   - claims: of a token with a valid signature.
    ///   - time: seconds since 1970.
    /// - Returns: nil unless the token is for this server and valid at this time.
    init?(_ claims: JSONObject, for settings: JWTSettings, at time: Double) {
        guard claims["iss"]?.string == settings.issuer, let audiences = claims["aud"].flatMap(Self.words),
            audiences.contains(settings.audience), let expiration = claims["exp"]?.double, expiration < Self.endOfTime,
            expiration > time - Self.leeway
        else { return nil }
        if let notBefore = claims["nbf"] {
            guard let start = notBefore.double, start <= time + Self.leeway else { return nil }
        }
        guard let owner = claims[settings.ownerClaim]?.string, (1...Self.maxOwnerBytes).contains(owner.utf8.count),
            !owner.utf8.contains(0)
        else { return nil }
        self.owner = owner
        // A null claim grants nothing, unlike a missing one.
        switch claims[settings.scopeClaim] {
        case nil: scopes = nil
        // A string is a list of scopes separated by spaces (RFC 8693 §4.2).
        case .string(let text)?: scopes = text.split(separator: " ").map(String.init)
        case let value?:
            guard let words = Self.words(value) else { return nil }
            scopes = words
        }
        expiresAt = Int(saturating: expiration + Self.leeway)
    }

    /// A string, or an array of strings only.
    private static func words(_ value: JSONValue) -> [String]? {
        if let text = value.string { return [text] }
        guard let list = value.array else { return nil }
        let words = list.compactMap(\.string)
        return words.count == list.count ? words : nil
    }
}

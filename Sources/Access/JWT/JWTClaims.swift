import Bytes
import JSON

/// What a token says of whose it is, what it may, and until when (RFC 7519 §4.1).
struct JWTClaims {
    /// Seconds by which clocks differ.
    static let leeway = 30.0
    static let maxOwnerBytes = 256
    /// An end beyond all time, in seconds since 1970.
    private static let endOfTime = 1e15

    let owner: String
    /// nil: the claim is not there.
    let scopes: [String]?
    /// Seconds since 1970 at which the token ends here.
    let expiresAt: Int

    /// - Parameters:
    ///   - claims: of a token whose signature holds.
    ///   - time: seconds since 1970.
    /// - Returns: nil unless the token is for here and for now.
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
        // A null is a claim that says nothing we know: not everything.
        switch claims[settings.scopeClaim] {
        case nil: scopes = nil
        // One text is several words with blanks between them (RFC 8693 §4.2).
        case .string(let text)?: scopes = text.split(separator: " ").map(String.init)
        case let value?:
            guard let words = Self.words(value) else { return nil }
            scopes = words
        }
        expiresAt = Int(saturating: expiration + Self.leeway)
    }

    /// A text, or a list of nothing but texts.
    private static func words(_ value: JSONValue) -> [String]? {
        if let text = value.string { return [text] }
        guard let list = value.array else { return nil }
        let words = list.compactMap(\.string)
        return words.count == list.count ? words : nil
    }
}

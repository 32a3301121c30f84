import Bytes
import FoundationEssentials
import JWTKit

/// The claims of a token that say whether it is for here and now, whose it is, and what it may (RFC 7519 §4.1).
///
/// JWTKit reads them once the signature is verified, and lets them be judged then.
struct JWTClaims: JWTPayload {
    /// Clocks differ.
    static let leeway: TimeInterval = 30
    static let maxOwnerBytes = 256

    /// What a token must say to be taken; reaches the claims by the decoder, since JWTKit makes them.
    struct Demands: Sendable {
        let settings: JWTSettings
        let algorithm: JWSAlgorithm
    }

    let issuer: IssuerClaim
    let audience: AudienceClaim
    let expiration: ExpirationClaim
    let notBefore: NotBeforeClaim?
    let owner: String
    /// nil: the claim is not there.
    let scopes: [String]?
    private let demands: Demands

    init(from decoder: any Decoder) throws {
        guard let key = Self.demandsKey, let demands = decoder.userInfo[key] as? Demands else {
            throw JWTError.generic(identifier: "demands", reason: "the decoder does not say what the token must be for")
        }
        self.demands = demands
        let claims = try decoder.container(keyedBy: Name.self)
        issuer = try claims.decode(IssuerClaim.self, forKey: "iss")
        // Not as the claim itself: JWTKit 5.7.1 traps on an empty array.
        let audiences = try claims.decode(Words.self, forKey: "aud").each
        guard !audiences.isEmpty else {
            throw JWTError.claimVerificationFailure(failedClaim: nil, reason: "the audience is nobody")
        }
        audience = AudienceClaim(value: audiences)
        expiration = try claims.decode(ExpirationClaim.self, forKey: "exp")
        notBefore = claims.contains("nbf") ? try claims.decode(NotBeforeClaim.self, forKey: "nbf") : nil
        owner = try claims.decode(String.self, forKey: Name(demands.settings.ownerClaim))
        let scope = Name(demands.settings.scopeClaim)
        // A null is a claim that says nothing we know: not everything.
        scopes = claims.contains(scope) ? try claims.decode(Words.self, forKey: scope).split : nil
    }

    func verify(using algorithm: some JWTAlgorithm) async throws {
        guard algorithm.name == demands.algorithm.rawValue else {
            throw JWTError.unsupportedAlgorithm(alg: algorithm.name)
        }
        guard issuer.value == demands.settings.issuer else {
            throw JWTError.claimVerificationFailure(failedClaim: issuer, reason: "another issuer")
        }
        try audience.verifyIntendedAudience(includes: demands.settings.audience)
        let now = Date()
        try expiration.verifyNotExpired(currentDate: now - Self.leeway)
        try notBefore?.verifyNotBefore(currentDate: now + Self.leeway)
        guard (1...Self.maxOwnerBytes).contains(owner.utf8.count), !owner.utf8.contains(0),
            expiration.value.timeIntervalSince1970 < 1e15
        else {
            throw JWTError.claimVerificationFailure(failedClaim: nil, reason: "an owner without a name, or an end beyond all time")
        }
    }

    /// Seconds since 1970 at which the token ends here.
    var expiresAt: Int { Int(saturating: expiration.value.timeIntervalSince1970 + Self.leeway) }

    /// JWTKit has no payload that is only read.
    func encode(to encoder: any Encoder) throws {
        var claims = encoder.container(keyedBy: Name.self)
        try claims.encode(issuer, forKey: "iss")
        try claims.encode(audience, forKey: "aud")
        try claims.encode(expiration, forKey: "exp")
        try claims.encodeIfPresent(notBefore, forKey: "nbf")
        try claims.encode(owner, forKey: Name(demands.settings.ownerClaim))
        try claims.encodeIfPresent(scopes, forKey: Name(demands.settings.scopeClaim))
    }

    fileprivate static let demandsKey = CodingUserInfoKey(rawValue: "JWTClaims.Demands")

    private struct Name: CodingKey, ExpressibleByStringLiteral {
        let stringValue: String
        var intValue: Int? { nil }
        init(_ name: String) { stringValue = name }
        init(stringLiteral name: String) { stringValue = name }
        init?(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    /// A text, or several.
    private struct Words: Decodable {
        /// Those of an array, or the one text.
        let each: [String]
        private let isOneText: Bool

        init(from decoder: any Decoder) throws {
            let value = try decoder.singleValueContainer()
            if let text = try? value.decode(String.self) {
                each = [text]
                isOneText = true
            } else {
                each = try value.decode([String].self)
                isOneText = false
            }
        }

        /// One text is several words with blanks between them (RFC 8693 §4.2).
        var split: [String] { isOneText ? each.flatMap { $0.split(separator: " ").map(String.init) } : each }
    }
}

extension JWTSettings {
    /// Reads tokens whose signature is made so.
    func parser(_ algorithm: JWSAlgorithm) -> DefaultJWTParser {
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .secondsSince1970
        if let key = JWTClaims.demandsKey { decoder.userInfo[key] = JWTClaims.Demands(settings: self, algorithm: algorithm) }
        return DefaultJWTParser(jsonDecoder: decoder)
    }
}

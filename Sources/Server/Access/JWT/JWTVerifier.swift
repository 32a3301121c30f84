import JSON
import Synchronization

/// Lets in by JSON Web Tokens of an issuer that the operator trusts (RFC 7519, checked as RFC 8725 says).
final class JWTVerifier: Sendable {
    /// Clocks differ.
    static let leewaySeconds = 30
    static let maxTokenBytes = 16 << 10
    static let maxOwnerBytes = 256
    /// What the owner's name begins with, so that no issuer can name an owner of keys.
    static let ownerPrefix = "jwt:"
    private static let maxCached = 4096

    enum Outcome: Sendable {
        case caller(Caller)
        /// It is no token of the issuer's, or not for here, or not for now.
        case refused
        /// Its key is not known yet: the issuer is asked.
        case keyIsBeingFetched
    }

    private let settings: JWTSettings
    private let keys: JSONWebKeySource?
    private let limits: RateLimits
    /// Those that were found good, by digest, until they expire: a signature is checked once.
    private let cache = Mutex<[[UInt8]: Caller]>([:])

    init(_ settings: JWTSettings, keys: JSONWebKeySource?, limits: RateLimits) {
        self.settings = settings
        self.keys = keys
        self.limits = limits
    }

    func stop() { keys?.stop() }

    /// Whether the text looks like a token: two dots, and a JSON object in front.
    static func resembles(_ text: String) -> Bool { text.hasPrefix("eyJ") && text.utf8.count { $0 == UInt8(ascii: ".") } == 2 }

    func verify(_ token: String, at time: Int) -> Outcome {
        guard Self.resembles(token), token.utf8.count <= Self.maxTokenBytes else { return .refused }
        let digest = SHA256.digest(token)
        if let known = cache.withLock({ $0[digest] }) { return time < known.expiresAt ?? 0 ? .caller(known) : .refused }
        let parts = token.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        guard let head = Base64URL.decode(parts[0]).flatMap({ try? JSONValue.parse($0) }),
            let body = Base64URL.decode(parts[1]), let signature = Base64URL.decode(parts[2]),
            let name = head["alg"]?.string, head["crit"] == nil
        else { return .refused }
        let message = Array("\(parts[0]).\(parts[1])".utf8)
        if name == "HS256" {
            guard let secret = settings.secret,
                SHA256.areEqual(signature, SHA256.authenticate(message, longKey: Array(secret.utf8)))
            else { return .refused }
        } else {
            guard let keys, let algorithm = JSONWebKey.Algorithm(rawValue: name) else { return .refused }
            let id = head["kid"]?.string
            let candidates = keys.keys.filter { $0.fits(algorithm) && (id == nil || $0.id == id) }
            if candidates.isEmpty { return keys.lacksKey() ? .keyIsBeingFetched : .refused }
            guard candidates.contains(where: { $0.verifies(signature, of: message, by: algorithm) }) else { return .refused }
        }
        guard let claims = try? JSONValue.parse(body), let caller = caller(claims, at: time) else { return .refused }
        cache.withLock { cache in
            if cache.count >= Self.maxCached { cache = cache.filter { time < $0.value.expiresAt ?? 0 } }
            if cache.count >= Self.maxCached { cache.removeAll() }
            cache[digest] = caller
        }
        return .caller(caller)
    }

    private func caller(_ claims: JSONValue, at time: Int) -> Caller? {
        let audiences = claims["aud"]?.array?.compactMap(\.string) ?? [claims["aud"]?.string].compactMap { $0 }
        guard claims["iss"]?.string == settings.issuer, audiences.contains(settings.audience),
            let expires = claims["exp"]?.double, expires.magnitude < 1e15, case let expiresAt = Int(expires) + Self.leewaySeconds,
            time < expiresAt, claims["nbf"].map({ $0.double ?? .infinity <= Double(time + Self.leewaySeconds) }) ?? true,
            let owner = claims[settings.ownerClaim]?.string, (1...Self.maxOwnerBytes).contains(owner.utf8.count)
        else { return nil }
        let name = Self.ownerPrefix + owner
        var caller = Caller(owner: name, keyID: name, scopes: scopes(claims[settings.scopeClaim]), limits: limits)
        caller.expiresAt = expiresAt
        return caller
    }

    /// Words that are no scopes of ours are for others. Without the claim: everything of one's own.
    private func scopes(_ claim: JSONValue?) -> Scopes {
        guard let claim, !claim.isNull else { return .all }
        let words = claim.array?.compactMap(\.string) ?? claim.string.map { $0.split(separator: " ").map(String.init) } ?? []
        return words.reduce(into: []) { scopes, word in
            if let one = Scopes(words: [word]) { scopes.insert(one) }
        }
    }
}

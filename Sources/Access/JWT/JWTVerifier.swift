import Bytes
import Digests
import Dispatch
import Glibc
import Network
import Synchronization

/// Authenticates callers by JSON Web Tokens of a trusted issuer (RFC 7519, verified as RFC 8725 recommends).
///
/// libcrypto verifies off the loops. Valid tokens are remembered, so that clients wait only once for each.
package final class JWTVerifier: Sendable {
    static let maxTokenBytes = 16 << 10
    /// Prefix of the owner, so that no issuer can impersonate the owner of a key.
    static let ownerPrefix = "jwt:"
    private static let maxKnown = 4096
    /// Maximum number of tokens being verified, or waiting for it.
    static let maxUnderWay = 512
    /// How long a request waits: a verification takes a fraction of a millisecond.
    static let deadline = Duration.seconds(5)
    /// How often a token is verified again if the keys change meanwhile.
    private static let maxEditions = 3

    /// The result of a verification.
    package enum Outcome: Sendable {
        case caller(Caller)
        /// Not a token of this issuer, not for this server, or not valid now.
        case refused
        /// Its key is not known yet: the issuer's keys are being fetched.
        case keyIsBeingFetched
        /// Too many tokens are waiting, or the verification took too long.
        case busy

        /// Whether the same request may succeed soon.
        package var isPassing: Bool {
            switch self {
            case .keyIsBeingFetched, .busy: true
            case .caller, .refused: false
            }
        }
    }

    /// Valid tokens by digest, and the edition of the keys that verified them.
    private struct Known {
        var callers: [[UInt8]: Caller] = [:]
        var edition = 0

        mutating func follow(_ newest: Int) {
            guard newest > edition else { return }
            edition = newest
            callers.removeAll()
        }
    }

    private let settings: JWTSettings
    private let source: JSONWebKeySource?
    /// The only HS256 key: key sets contribute none.
    private let secret: JWSKey?
    private let limits: RateLimits
    private let known = Mutex(Known())
    private let underWay = Atomic(0)
    /// A thread of its own, used for nothing else: it verifies some thousands of signatures a second.
    private let queue = DispatchQueue(label: "interject.web-tokens")

    /// - Parameters:
    ///   - keys: the issuer's public keys; nil if only the secret counts.
    ///   - limits: the limits of each owner.
    package init(_ settings: JWTSettings, keys: JSONWebKeySource?, limits: RateLimits) {
        self.settings = settings
        self.limits = limits
        source = keys
        secret = settings.secret.map { JWSKey(secret: $0) }
    }

    /// Stops fetching keys.
    package func stop() { source?.stop() }

    /// Whether the text looks like a token: two dots, and a JSON object in front.
    static func resembles(_ text: String) -> Bool { text.hasPrefix("eyJ") && text.utf8.count { $0 == UInt8(ascii: ".") } == 2 }

    private var edition: Int { source?.editionNumber ?? 0 }

    /// The outcome for a token as far as known without verification; nil if unknown.
    func recall(_ token: String, at time: Int) -> Outcome? {
        guard Self.resembles(token), token.utf8.count <= Self.maxTokenBytes else { return .refused }
        let digest = SHA256.digest(token)
        let edition = edition
        let caller = known.withLock { known in
            known.follow(edition)
            return known.callers[digest]
        }
        return caller.map { time < $0.expiresAt ?? 0 ? .caller($0) : .refused }
    }

    /// Verifies a token. Always calls `then` on the loop, later.
    func verify(_ token: String, on loop: EventLoop, _ then: @escaping (Outcome) -> Void) {
        let wait = LoopBound(Wait(then), on: loop)
        guard underWay.add(1, ordering: .relaxed).newValue <= Self.maxUnderWay else {
            underWay.subtract(1, ordering: .relaxed)
            loop.schedule(after: .zero) { wait.value.end(.busy) }
            return
        }
        wait.value.deadline = loop.schedule(after: Self.deadline) { wait.value.end(.busy) }
        queue.async { [self] in
            let outcome = verify(token)
            underWay.subtract(1, ordering: .relaxed)
            wait.run { $0.end(outcome) }
        }
    }

    /// A waiting request. Loop-confined.
    private final class Wait {
        private var then: ((Outcome) -> Void)?
        var deadline: LoopTimer?

        init(_ then: @escaping (Outcome) -> Void) { self.then = then }

        func end(_ outcome: Outcome) {
            deadline?.cancel()
            let then = then
            self.then = nil
            then?(outcome)
        }
    }

    func verify(_ token: String) -> Outcome {
        guard Self.resembles(token), token.utf8.count <= Self.maxTokenBytes else { return .refused }
        for _ in 0..<Self.maxEditions {
            let keys = source?.edition ?? JSONWebKeySource.Edition()
            let outcome = verify(Array(token.utf8), with: keys.keys)
            // A key revoked meanwhile authenticates no caller.
            guard edition == keys.number else { continue }
            if case .caller(let caller) = outcome { remember(SHA256.digest(token), caller, edition: keys.number) }
            return outcome
        }
        return .busy
    }

    private func verify(_ text: [UInt8], with keys: JSONWebKeySet) -> Outcome {
        guard let token = JSONWebToken(text), let algorithm = token.algorithm, !token.isCritical else { return .refused }
        let candidates = algorithm == .hs256 ? secret.map { [$0] } : keys.keys(for: algorithm, keyID: token.keyID)
        guard let candidates else {
            // A known key with another algorithm will not be replaced by a matching one.
            let mayCome = algorithm != .hs256 && !(token.keyID.map(keys.names) ?? false)
            return mayCome && source?.lacksKey() ?? false ? .keyIsBeingFetched : .refused
        }
        guard token.isSigned(byOneOf: candidates), let claims = JWTClaims(token.claims, for: settings, at: Double(time(nil))) else {
            return .refused
        }
        return .caller(caller(claims))
    }

    private func remember(_ digest: [UInt8], _ caller: Caller, edition: Int) {
        let now = Int(time(nil))
        known.withLock { known in
            known.follow(edition)
            guard known.edition == edition else { return }
            if known.callers.count >= Self.maxKnown { known.callers = known.callers.filter { now < $0.value.expiresAt ?? 0 } }
            if known.callers.count >= Self.maxKnown { known.callers.removeAll() }
            known.callers[digest] = caller
        }
    }

    private func caller(_ claims: JWTClaims) -> Caller {
        let name = Self.ownerPrefix + claims.owner
        var caller = Caller(owner: name, keyID: name, scopes: Self.scopes(claims.scopes), limits: limits)
        caller.expiresAt = claims.expiresAt
        return caller
    }

    /// Unknown scopes are ignored. Without the claim, the token may do everything with its own objects.
    private static func scopes(_ words: [String]?) -> Scopes {
        guard let words else { return .all }
        return words.reduce(into: []) { scopes, word in
            if let one = Scopes(words: [word]) { scopes.insert(one) }
        }
    }
}

import Bytes
import Digests
import Dispatch
import Glibc
import Network
import Synchronization

/// Lets in by JSON Web Tokens of an issuer that the operator trusts (RFC 7519, checked as RFC 8725 says).
///
/// libcrypto verifies, off the loops. What it found good is known from then on, so that a connection waits once for each token.
package final class JWTVerifier: Sendable {
    static let maxTokenBytes = 16 << 10
    /// What the owner's name begins with, so that no issuer can name an owner of keys.
    static let ownerPrefix = "jwt:"
    private static let maxKnown = 4096
    /// Tokens that are verified, or wait for it, at a time.
    static let maxUnderWay = 512
    /// How long a request waits: a verification takes a fraction of a millisecond.
    static let deadline = Duration.seconds(5)
    /// How often a token is verified anew when the keys change meanwhile.
    private static let maxEditions = 3

    package enum Outcome: Sendable {
        case caller(Caller)
        /// It is no token of the issuer's, or not for here, or not for now.
        case refused
        /// Its key is not known yet: the issuer is asked.
        case keyIsBeingFetched
        /// There is no room to verify it, or no time.
        case busy

        /// Whether the same request may be let in soon.
        package var isPassing: Bool {
            switch self {
            case .keyIsBeingFetched, .busy: true
            case .caller, .refused: false
            }
        }
    }

    /// Tokens that were found good, by digest, and the keys by which they were.
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
    /// The one key of HS256: no key of a set is ever beside it.
    private let secret: JWSKey?
    private let limits: RateLimits
    private let known = Mutex(Known())
    private let underWay = Atomic(0)
    /// A thread of its own, which waits for nothing else: some thousands of signatures a second are verified on it.
    private let queue = DispatchQueue(label: "interject.web-tokens")

    package init(_ settings: JWTSettings, keys: JSONWebKeySource?, limits: RateLimits) {
        self.settings = settings
        self.limits = limits
        source = keys
        secret = settings.secret.map { JWSKey(secret: $0) }
    }

    package func stop() { source?.stop() }

    /// Whether the text looks like a token: two dots, and a JSON object in front.
    static func resembles(_ text: String) -> Bool { text.hasPrefix("eyJ") && text.utf8.count { $0 == UInt8(ascii: ".") } == 2 }

    private var edition: Int { source?.editionNumber ?? 0 }

    /// What is known of a token without verifying it; nil: nothing.
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

    /// Verifies a token, and comes back on the loop, later, whatever happens.
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

    /// A request that waits. Loop-confined.
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
            // A key that was taken back meanwhile lets nobody in.
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
            // A key that is known and signs otherwise is not going to be another.
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

    /// Words that are no scopes of ours are for others. Without the claim: everything of one's own.
    private static func scopes(_ words: [String]?) -> Scopes {
        guard let words else { return .all }
        return words.reduce(into: []) { scopes, word in
            if let one = Scopes(words: [word]) { scopes.insert(one) }
        }
    }
}

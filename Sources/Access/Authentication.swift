package import Bytes
import Glibc
package import HTTP
package import Logging
package import Network
package import Sessions
package import Storage

/// Authenticates callers: by keys in the settings, stored keys, and the credentials derived from them.
package struct Authentication: Sendable {
    /// The owner of all objects on a server without keys.
    package static let everybody = "everybody"
    /// How browsers send a key with a WebSocket, since they cannot set its header fields.
    static let subprotocolPrefix = "openai-insecure-api-key."

    private let principals: [AccessSettings.Principal]
    private let requiresKey: Bool
    private let defaultLimits: RateLimits
    private let defaultCutForm: CutForm
    private let keys: KeyRing?
    private let tokens: ClientTokens?
    private let webTokens: JWTVerifier?
    /// The limit on wrong keys.
    package let attempts: FailedAttempts

    /// - Parameters:
    ///   - limits: of keys without limits of their own.
    ///   - cutForm: how clients are told of an interrupted response if neither the request nor the key says.
    ///   - keys: the stored keys; nil without a store.
    ///   - tokens: nil if the server issues no client tokens.
    ///   - webTokens: nil if no issuer is configured.
    ///   - attempts: the limit on wrong keys.
    package init(
        _ principals: [AccessSettings.Principal], requiresKey: Bool = false, limits: RateLimits = RateLimits(),
        cutForm: CutForm = .native, keys: KeyRing? = nil, tokens: ClientTokens? = nil, webTokens: JWTVerifier? = nil,
        attempts: FailedAttempts = FailedAttempts(perMinute: 0, includesLoopback: false)
    ) {
        self.principals = principals
        self.requiresKey = requiresKey || !principals.isEmpty || webTokens != nil
        self.webTokens = webTokens
        defaultLimits = limits
        defaultCutForm = cutForm
        self.keys = keys
        self.tokens = tokens
        self.attempts = attempts
    }

    /// An authentication from the settings and the store.
    /// - Parameters:
    ///   - includesLoopback: whether the limit on wrong keys applies to this machine, too.
    ///   - loop: fetches the issuer's keys.
    package static func make(
        _ settings: AccessSettings, _ store: Store?, includesLoopback: Bool, loop: EventLoop, logger: Logger
    ) async throws(StorageError) -> Authentication {
        var keys: KeyRing?
        var secret = ClientTokens.makeSecret()
        if let store {
            let stored = APIKeyStore(store)
            let ring = try await KeyRing(stored, logger: logger)
            secret = try await stored.secret(ClientTokens.secretName, else: secret)
            ring.start()
            keys = ring
        }
        var webTokens: JWTVerifier?
        if let issuer = settings.jwt {
            let source = issuer.keySet.map { JSONWebKeySource($0, loop: loop, logger: logger) }
            await source?.start()
            webTokens = JWTVerifier(issuer, keys: source, limits: settings.keyLimits)
        }
        return Authentication(
            settings.principals, requiresKey: settings.requiresKey, limits: settings.keyLimits,
            cutForm: settings.cutForm, keys: keys, tokens: ClientTokens(secret: secret), webTokens: webTokens,
            attempts: FailedAttempts(
                perMinute: settings.failedAttemptsPerMinute, includesLoopback: includesLoopback))
    }

    /// Stops following changes of stored keys.
    package func stop() {
        keys?.stop()
        webTokens?.stop()
    }

    /// Signs client tokens; nil if the server issues none.
    package var tokenSigner: ClientTokens? { tokens }

    /// Whether callers need a key now.
    package var isRequired: Bool { requiresKey || keys?.hasKeys ?? false }

    /// What is known about the JSON Web Token of a request.
    package enum Token {
        /// The request carries none, or no issuer is configured.
        case none
        case known(JWTVerifier.Outcome)
        /// ``verifyToken(of:on:_:)`` must be called.
        case unknown
    }

    /// Looks up the JSON Web Token of a request without verifying it.
    package func token(of request: RequestHead) -> Token {
        guard let webTokens, let key = Self.key(request), JWTVerifier.resembles(key) else { return .none }
        return webTokens.recall(key, at: Self.unixTime).map { .known($0) } ?? .unknown
    }

    /// Verifies the JSON Web Token of a request.
    /// - Parameter then: called on the loop, later.
    package func verifyToken(of request: RequestHead, on loop: EventLoop, _ then: @escaping (JWTVerifier.Outcome) -> Void) {
        guard let webTokens, let key = Self.key(request) else {
            loop.schedule(after: .zero) { then(.refused) }
            return
        }
        webTokens.verify(key, on: loop, then)
    }

    /// Authenticates a request.
    /// - Parameters:
    ///   - token: the outcome for the JSON Web Token that the request carries.
    ///   - address: for the limit on wrong keys.
    ///   - now: the loop's time.
    /// - Throws: ``AccessError/missingKey`` or ``AccessError/unknownKey``, ``AccessError/tooManyAttempts(retryAfter:)`` after too
    ///   many wrong keys; a temporary error while a new token is verified.
    package func caller(
        _ request: RequestHead, token: JWTVerifier.Outcome? = nil, from address: IPAddress?, now: Instant
    ) throws(AccessError) -> Caller {
        var caller = try identify(request, token: token, from: address, now: now)
        caller.cutForm = cutForm(ofKey: caller.keyID, Self.unixTime)
        return caller
    }

    private func identify(
        _ request: RequestHead, token: JWTVerifier.Outcome?, from address: IPAddress?, now: Instant
    ) throws(AccessError) -> Caller {
        if !isRequired { return .everybody(defaultLimits) }
        guard let key = Self.key(request) else {
            throw .missingKey
        }
        // Credentials signed by this server or an issuer cannot be guessed, so they are accepted whatever else the address sends.
        switch token {
        case .caller(let caller) where Self.unixTime < caller.expiresAt ?? 0: return caller
        case .caller, .refused, nil: break
        case .keyIsBeingFetched: throw .issuerKeysPending
        case .busy: throw .tokenVerificationBusy
        }
        if let caller = madeHere(key) { return caller }
        if let wait = attempts.waiting(address, now: now) { throw .tooManyAttempts(retryAfter: wait) }
        if let caller = named(key) { return caller }
        attempts.note(address, now: now)
        throw .unknownKey
    }

    /// Whether the request's key is valid; does not count a wrong one.
    package func knows(_ request: RequestHead, token: JWTVerifier.Outcome?) -> Bool {
        if !isRequired { return true }
        if case .caller = token { return true }
        guard let key = Self.key(request) else { return false }
        return madeHere(key) != nil || named(key) != nil
    }

    /// Whether an authenticated caller still would be: for long-lived connections.
    package func stillKnows(_ caller: Caller) -> Bool {
        let time = Self.unixTime
        if let expiresAt = caller.expiresAt, time >= expiresAt { return false }
        return stands(behind: caller.keyID, time)
    }

    /// Whether a key is still valid, regardless of the credentials derived from it.
    package func letsIn(keyID: String) -> Bool { stands(behind: keyID, Self.unixTime) }

    private static var unixTime: Int { Int(time(nil)) }

    /// Stored keys and client tokens.
    private func madeHere(_ key: String) -> Caller? {
        let time = Self.unixTime
        if APIKeySecret.isWellFormed(key), let record = keys?.key(key, at: time) {
            return Caller(
                owner: record.owner, keyID: record.id, keyName: record.name, scopes: Scopes(text: record.scopes) ?? [],
                limits: RateLimits(record).or(defaultLimits))
        }
        guard let tokens, var caller = tokens.caller(key, at: time), stands(behind: caller.keyID, time) else { return nil }
        caller.limits = limits(ofKey: caller.keyID, time)
        return caller
    }

    /// Keys in the settings.
    private func named(_ key: String) -> Caller? {
        var found: String?
        // Every key is compared in full, so that timing reveals nothing.
        for principal in principals where principal.key.utf8.isEqualInConstantTime(to: key.utf8) { found = principal.name }
        return found.map { Caller(owner: $0, keyID: $0, limits: defaultLimits) }
    }

    /// Whether the key that a credential was derived from is still valid.
    private func stands(behind keyID: String, _ time: Int) -> Bool {
        if keyID == Self.everybody { return !isRequired }
        if webTokens != nil, keyID.hasPrefix(JWTVerifier.ownerPrefix) { return true }
        return principals.contains { $0.name == keyID } || keys?.key(id: keyID, at: time) != nil
    }

    /// The limits of a key, whatever the credential.
    package func limits(ofKey keyID: String) -> RateLimits { limits(ofKey: keyID, Self.unixTime) }

    private func limits(ofKey keyID: String, _ time: Int) -> RateLimits {
        keys?.key(id: keyID, at: time).map { RateLimits($0).or(defaultLimits) } ?? defaultLimits
    }

    private func cutForm(ofKey keyID: String, _ time: Int) -> CutForm {
        keys?.key(id: keyID, at: time)?.cutAs.flatMap(CutForm.init) ?? defaultCutForm
    }

    /// The key of a request that takes precedence: see ``keys(_:)``.
    package static func key(_ request: RequestHead) -> String? { keys(request).first }

    /// Every key of a request, in order of precedence.
    package static func keys(_ request: RequestHead) -> [String] {
        var keys: [String] = []
        // Other schemes are ignored: they may be a proxy's.
        if let header = request.fields["authorization"] {
            let parts = header.split(separator: " ", maxSplits: 1)
            if parts.count == 2, parts[0].lowercased() == "bearer" { keys.append(String(parts[1].drop { $0 == " " })) }
        }
        // The field of Anthropic's clients.
        if let header = request.fields["x-api-key"] { keys.append(header) }
        for value in request.fields.values(of: "sec-websocket-protocol") {
            for offer in value.split(separator: ",") {
                let name = offer.drop { $0 == " " }
                if name.hasPrefix(subprotocolPrefix) {
                    keys.append(String(name.dropFirst(subprotocolPrefix.count).prefix { $0 != " " }))
                }
            }
        }
        return keys
    }
}

extension RateLimits {
    /// The limits in a key's record.
    package init(_ record: APIKeyRecord) {
        self.init(
            requestsPerMinute: record.requestsPerMinute, tokensPerMinute: record.tokensPerMinute,
            maxConcurrent: record.maxConcurrent)
    }
}

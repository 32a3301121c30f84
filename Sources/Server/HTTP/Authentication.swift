import Bytes
import Glibc
import HTTP
import Logging
import Network
import Sessions
import Storage

/// Finds out who calls: keys of the settings, stored keys, and what was made from them.
struct Authentication: Sendable {
    /// The owner of everything on a server without keys.
    static let everybody = "everybody"
    /// How browsers send a key with a WebSocket, since they cannot set its header fields.
    static let subprotocolPrefix = "openai-insecure-api-key."

    private let principals: [ServerConfiguration.Principal]
    private let requiresKey: Bool
    private let defaultLimits: RateLimits
    private let defaultCutForm: CutForm
    private let keys: KeyRing?
    private let tokens: ClientTokens?
    private let webTokens: JWTVerifier?
    let attempts: FailedAttempts

    init(
        _ principals: [ServerConfiguration.Principal], requiresKey: Bool = false, limits: RateLimits = RateLimits(),
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

    /// What the settings and the store say.
    static func make(
        _ configuration: ServerConfiguration, _ store: Store?, loop: EventLoop, _ logger: Logger
    ) async throws(StorageError) -> Authentication {
        var keys: KeyRing?
        var secret = ClientTokens.makeSecret()
        if let store {
            let stored = APIKeyStore(store)
            let ring = try await KeyRing(stored, logger: logger)
            ring.start()
            keys = ring
            secret = try await stored.secret(ClientTokens.secretName, else: secret)
        }
        var webTokens: JWTVerifier?
        if let settings = configuration.jwt {
            let source = settings.keySet.map { JSONWebKeySource($0, loop: loop, logger: logger) }
            await source?.start()
            webTokens = JWTVerifier(settings, keys: source, limits: configuration.keyLimits)
        }
        return Authentication(
            configuration.principals, requiresKey: configuration.requiresKey, limits: configuration.keyLimits,
            cutForm: configuration.cutForm, keys: keys, tokens: ClientTokens(secret: secret), webTokens: webTokens,
            attempts: FailedAttempts(
                perMinute: configuration.failedAttemptsPerMinute, includesLoopback: configuration.acceptLimits.includesLoopback))
    }

    /// Follows changes of stored keys no longer.
    func stop() {
        keys?.stop()
        webTokens?.stop()
    }

    var tokenSigner: ClientTokens? { tokens }

    var isRequired: Bool { requiresKey || keys?.hasKeys ?? false }

    /// What is known of the JSON Web Token that a request bears.
    enum Token {
        /// There is none, or nobody's are taken.
        case none
        case known(JWTVerifier.Outcome)
        /// ``verifyToken(of:on:_:)`` must tell.
        case unknown
    }

    func token(of request: RequestHead) -> Token {
        guard let webTokens, let key = Self.key(request), JWTVerifier.resembles(key) else { return .none }
        return webTokens.recall(key, at: Self.unixTime).map { .known($0) } ?? .unknown
    }

    /// - Parameter then: called on the loop, later.
    func verifyToken(of request: RequestHead, on loop: EventLoop, _ then: @escaping (JWTVerifier.Outcome) -> Void) {
        guard let webTokens, let key = Self.key(request) else {
            loop.schedule(after: .zero) { then(.refused) }
            return
        }
        webTokens.verify(key, on: loop, then)
    }

    /// - Parameters:
    ///   - token: what was found out about the JSON Web Token that the request bears.
    ///   - address: for the limit on wrong keys.
    ///   - now: as the loop has it.
    /// - Throws: ``APIError`` 401 without a key or with a wrong one, 429 after too many wrong ones.
    func caller(
        _ request: RequestHead, token: JWTVerifier.Outcome? = nil, from address: IPAddress?, now: Instant
    ) throws(APIError) -> Caller {
        var caller = try identify(request, token: token, from: address, now: now)
        caller.cutForm = cutForm(ofKey: caller.keyID, Self.unixTime)
        return caller
    }

    private func identify(
        _ request: RequestHead, token: JWTVerifier.Outcome?, from address: IPAddress?, now: Instant
    ) throws(APIError) -> Caller {
        if !isRequired { return .everybody(defaultLimits) }
        guard let key = Self.key(request) else {
            throw APIError(
                status: .unauthorized, message: "An API key is needed: send it as 'Authorization: Bearer KEY'.",
                type: "authentication_error", code: "missing_api_key", fields: [("WWW-Authenticate", "Bearer")])
        }
        // What we made, or an issuer signed, cannot be guessed, so that it lets in whatever else comes from the address.
        switch token {
        case .caller(let caller) where Self.unixTime < caller.expiresAt ?? 0: return caller
        case .caller, .refused, nil: break
        case .keyIsBeingFetched:
            throw APIError(
                status: .serviceUnavailable, message: "The issuer's keys are being fetched. Try again.", type: "server_error",
                code: "issuer_keys_pending", retryAfterSeconds: 1)
        case .busy:
            throw APIError(
                status: .serviceUnavailable, message: "Too many new tokens are being verified. Try again.", type: "server_error",
                code: "token_verification_busy", retryAfterSeconds: 1)
        }
        if let caller = madeHere(key) { return caller }
        if let wait = attempts.waiting(address, now: now) { throw Self.tooManyAttempts(wait) }
        if let caller = named(key) { return caller }
        attempts.note(address, now: now)
        throw Self.unknownKey
    }

    static func tooManyAttempts(_ wait: Duration) -> APIError {
        APIError(
            status: .tooManyRequests, message: "Too many wrong keys came from your address. Wait before you try another.",
            type: "authentication_error", code: "too_many_failed_attempts", retryAfterSeconds: wait.seconds)
    }

    static var unknownKey: APIError {
        APIError(
            status: .unauthorized, message: "The API key is not known here.", type: "authentication_error",
            code: "invalid_api_key", fields: [("WWW-Authenticate", "Bearer")])
    }

    /// Whether the request's key is one, without counting it if not.
    func knows(_ request: RequestHead, token: JWTVerifier.Outcome?) -> Bool {
        if !isRequired { return true }
        if case .caller = token { return true }
        guard let key = Self.key(request) else { return false }
        return madeHere(key) != nil || named(key) != nil
    }

    /// Whether a caller that was let in before still would be: for connections that stay.
    func stillKnows(_ caller: Caller) -> Bool {
        let time = Self.unixTime
        if let expiresAt = caller.expiresAt, time >= expiresAt { return false }
        return stands(behind: caller.keyID, time)
    }

    /// Whether a key still lets in, whatever has become of what was made with it.
    func letsIn(keyID: String) -> Bool { stands(behind: keyID, Self.unixTime) }

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

    /// Keys of the settings.
    private func named(_ key: String) -> Caller? {
        var found: String?
        // Every key is compared, and whole, so that the time taken tells nothing.
        for principal in principals where principal.key.utf8.isEqualInConstantTime(to: key.utf8) { found = principal.name }
        return found.map { Caller(owner: $0, keyID: $0, limits: defaultLimits) }
    }

    /// Whether the key that something was made with still lets in.
    private func stands(behind keyID: String, _ time: Int) -> Bool {
        if keyID == Self.everybody { return !isRequired }
        if webTokens != nil, keyID.hasPrefix(JWTVerifier.ownerPrefix) { return true }
        return principals.contains { $0.name == keyID } || keys?.key(id: keyID, at: time) != nil
    }

    /// What a key may use, whoever comes with it.
    func limits(ofKey keyID: String) -> RateLimits { limits(ofKey: keyID, Self.unixTime) }

    private func limits(ofKey keyID: String, _ time: Int) -> RateLimits {
        keys?.key(id: keyID, at: time).map { RateLimits($0).or(defaultLimits) } ?? defaultLimits
    }

    private func cutForm(ofKey keyID: String, _ time: Int) -> CutForm {
        keys?.key(id: keyID, at: time)?.cutAs.flatMap(CutForm.init) ?? defaultCutForm
    }

    static func key(_ request: RequestHead) -> String? { keys(request).first }

    /// Every key that a request bears, in the order in which they would count.
    static func keys(_ request: RequestHead) -> [String] {
        var keys: [String] = []
        // Of another scheme, as a proxy may want it, is no word to us.
        if let header = request.fields["authorization"] {
            let parts = header.split(separator: " ", maxSplits: 1)
            if parts.count == 2, parts[0].lowercased() == "bearer" { keys.append(String(parts[1].drop { $0 == " " })) }
        }
        // Anthropic's clients name it so.
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
    /// Those of a key itself.
    init(_ record: APIKeyRecord) {
        self.init(
            requestsPerMinute: record.requestsPerMinute, tokensPerMinute: record.tokensPerMinute,
            maxConcurrent: record.maxConcurrent)
    }
}

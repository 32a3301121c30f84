import Digests
import Foundation
import Logging
import Network
import Synchronization
import Testing

@testable import Access

/// Whom a token lets in.
@Suite struct JWTVerifierTests {
    private let issuer = ES256Signer()
    private let other = ES256Signer()

    @Test func aTokenIsKnownOnceItIsVerified() async throws {
        let fixture = try await JWTFixture(jwk(issuer, ["kid": "first"]))
        let token = try token(kid: "first", ["scope": "chat openid"])
        #expect(fixture.recall(token) == nil)
        let caller = try #require(fixture.caller(token))
        #expect(caller.owner == "jwt:ada" && caller.scopes == .chat)
        #expect(fixture.recall(token) == "jwt:ada")
        #expect(fixture.verifier.recall(token, at: .max).isRefused, "it has expired by then")
    }

    @Test func anUnknownNameIsNobodysKey() async throws {
        let fixture = try await JWTFixture(jwk(issuer, ["kid": "first"]))
        #expect(fixture.caller(try token(kid: "second", [:])) == nil)
        #expect(fixture.caller(try token(kid: "0", [:])) == nil)
        let nameless = try await JWTFixture(jwk(issuer, [:]))
        #expect(nameless.caller(try token(kid: "0", [:])) == nil)
        #expect(nameless.caller(try token(kid: nil, [:])) != nil)
    }

    @Test func aTokenWithoutANameIsTriedWithEveryKeyAndOneNameMayBeThatOfTwo() async throws {
        let fixture = try await JWTFixture(jwk(other, ["kid": "same"]), jwk(issuer, ["kid": "same"]))
        for key in [issuer, other] {
            for kid in [nil, "same"] {
                #expect(fixture.caller(try token(kid: kid, [:], by: key)) != nil)
                #expect(fixture.caller(try token(kid: kid, [:], by: ES256Signer())) == nil)
            }
        }
    }

    @Test(arguments: [
        #"{"use": "enc"}"#, #"{"use": 1}"#, #"{"key_ops": ["sign"]}"#, #"{"alg": "ES384"}"#, #"{"alg": "RS256"}"#,
        #"{"alg": "new"}"#,
        #"{"crv": "P-384"}"#, #"{"crv": "secp256k1"}"#, #"{"kty": "RSA"}"#, #"{"kty": "oct", "k": "AAAA"}"#, #"{"x": "AAAA"}"#,
    ])
    func whatIsNoKeyForTheSignatureIsPassedOver(members: String) async throws {
        let members = try #require(try JSONSerialization.jsonObject(with: Data(members.utf8)) as? [String: Any])
        let spoilt = jwk(issuer, ["kid": "first"].merging(members) { $1 })
        #expect(JSONWebKeySet(try set([spoilt]))?.isEmpty == true)
        let fixture = try await JWTFixture(spoilt, jwk(other, ["kid": "second"]))
        #expect(fixture.caller(try token(kid: "first", [:])) == nil)
        #expect(fixture.caller(try token(kid: "second", [:], by: other)) != nil)
    }

    @Test func keysThatSaySoAreForSignatures() async throws {
        let key = jwk(issuer, ["kid": "first", "use": "sig", "key_ops": ["verify"], "alg": "ES256", "x5t": "new", "ext": true])
        let fixture = try await JWTFixture(key)
        #expect(fixture.caller(try token(kid: "first", [:])) != nil)
    }

    @Test func aShortRSAKeyIsNone() throws {
        for (byteCount, isNone) in [(128, true), (255, true), (256, false)] {
            let modulus = [0xC1] + [UInt8](repeating: 0x5B, count: byteCount - 1)
            let key: [String: Any] = ["kty": "RSA", "kid": "rsa", "e": "AQAB", "n": Base64URL.encode(modulus)]
            #expect(JSONWebKeySet(try set([key]))?.isEmpty == isNone)
        }
        #expect(JSONWebKeySet(Array("{}".utf8)) == nil)
        #expect(JSONWebKeySet(Array(#"{"keys": [1, "x", null, []]}"#.utf8))?.isEmpty == true)
    }

    @Test func aHostileTokenHarmsNobody() async throws {
        let fixture = try await JWTFixture(jwk(issuer, ["kid": "first"]))
        let head = #""alg":"ES256","kid":"first""#
        #expect(fixture.caller(try token("{\(head),\"x\":1e300}", body([:]))) != nil)
        #expect(fixture.caller(try token(kid: "first", ["aud": [String]()])) == nil)
        for bad in [
            "{\(head),\"crit\":[]}", "{\(head),\"crit\":null}", "{\(head)", "[]", "{}", #"{"alg":1,"kid":"first"}"#,
            #"{"alg":"ES256","kid":7}"#, #"{"alg":"es256","kid":"first"}"#, #"{"alg":"none","kid":"first"}"#,
            #"{"alg":"HS256","kid":"first"}"#, #"{"alg":"ES384","kid":"first"}"#, #"{"alg":"RS256","kid":"first"}"#,
            String(repeating: "[", count: 5000),
        ] {
            #expect(fixture.caller(try token(bad, body([:]))) == nil, "\(bad)")
        }
        let good = try token(kid: "first", [:])
        for bad in [good + "=", good + ".", "." + good, good.replacing(".", with: ".."), good + "A", String(good.dropLast())] {
            #expect(fixture.caller(bad) == nil, "\(bad)")
        }
        let long = try token(kid: "first", ["x": String(repeating: "x", count: JWTVerifier.maxTokenBytes)])
        #expect(fixture.verifier.recall(long, at: 0).isRefused)
        #expect(fixture.caller(long) == nil)
    }

    @Test func theSecretOfHS256IsNoKeyOfASet() async throws {
        var settings = JWTFixture.settings
        settings.secret = "a secret of more than thirty-two bytes"
        let fixture = try await JWTFixture(settings, [jwk(issuer, ["kid": "first"])])
        let hmac = code(by: Array((settings.secret ?? "").utf8))
        #expect(fixture.caller(try token(#"{"alg":"HS256"}"#, body([:]), hmac)) != nil)
        #expect(fixture.caller(try token(#"{"alg":"ES256"}"#, body([:]), hmac)) == nil)
        #expect(fixture.caller(try token(#"{"alg":"HS256","kid":"first"}"#, body([:]))) == nil)
        let publicText = code(by: Array(issuer.publicText.utf8))
        #expect(fixture.caller(try token(#"{"alg":"HS256","kid":"first"}"#, body([:]), publicText)) == nil)
    }

    @Test func whatWasVerifiedWithOtherKeysIsForgotten() async throws {
        let fixture = try await JWTFixture(jwk(issuer, ["kid": "first"]))
        let token = try token(kid: "first", [:])
        #expect(fixture.caller(token) != nil)
        await fixture.source.refresh()
        #expect(fixture.recall(token) == "jwt:ada", "the keys are the same")
        try fixture.write([jwk(issuer, ["kid": "first"]), jwk(other, ["kid": "second"])])
        await fixture.source.refresh()
        #expect(fixture.recall(token) == nil)
        #expect(fixture.caller(token) != nil, "its key is still among them")
        try fixture.write([jwk(other, ["kid": "second"])])
        await fixture.source.refresh()
        #expect(fixture.recall(token) == nil)
        #expect(fixture.caller(token) == nil)
        try Data("no keys".utf8).write(to: fixture.file)
        await fixture.source.refresh()
        #expect(fixture.caller(try self.token(kid: "second", [:], by: other)) != nil, "what was read before stays")
    }

    @Test func everyoneWhoWaitsIsTold() async throws {
        let fixture = try await JWTFixture(jwk(issuer, ["kid": "first"]))
        let token = try token(kid: "first", [:])
        let count = 3 * JWTVerifier.maxUnderWay
        let loop = fixture.loop
        let outcomes = await withCheckedContinuation { (continuation: CheckedContinuation<[String], Never>) in
            loop.execute {
                let told = LoopBound(Told(), on: loop)
                for _ in 0..<count {
                    fixture.verifier.verify(token, on: loop) { outcome in
                        told.value.outcomes.append(outcome.name)
                        if told.value.outcomes.count == count { continuation.resume(returning: told.value.outcomes) }
                    }
                }
                #expect(told.value.outcomes.isEmpty, "later, and never within the call")
            }
        }
        // How many find room, and are verified before their deadline, is the machine's affair.
        #expect(outcomes.count == count && Set(outcomes).isSubset(of: ["jwt:ada", "busy"]))
    }

    private final class Told { var outcomes: [String] = [] }

    // MARK: Made here

    private func body(_ changes: [String: Any]) throws -> Data {
        let claims: [String: Any] = [
            "iss": JWTFixture.settings.issuer, "aud": "interject", "sub": "ada", "exp": Int(Date().timeIntervalSince1970) + 600,
        ]
        return try JSONSerialization.data(withJSONObject: claims.merging(changes) { $1 })
    }

    private func code(by secret: [UInt8]) -> ([UInt8]) -> [UInt8] {
        { HMACSHA256.code(of: $0, key: secret) ?? [] }
    }

    /// Put together by hand, so that it may say what no library would sign.
    private func token(_ head: String, _ body: Data, _ sign: ([UInt8]) -> [UInt8]) -> String {
        let message = Base64URL.encode(Array(head.utf8)) + "." + Base64URL.encode(Array(body))
        return message + "." + Base64URL.encode(sign(Array(message.utf8)))
    }

    private func token(_ head: String, _ body: Data, by key: ES256Signer? = nil) -> String {
        token(head, body, (key ?? issuer).sign)
    }

    private func token(kid: String?, _ changes: [String: Any], by key: ES256Signer? = nil) throws -> String {
        let head = kid.map { #"{"alg":"ES256","kid":"\#($0)"}"# } ?? #"{"alg":"ES256"}"#
        return token(head, try body(changes), by: key)
    }

    private func jwk(_ key: ES256Signer, _ members: [String: Any]) -> [String: Any] {
        ["kty": "EC", "crv": "P-256", "x": key.point.x, "y": key.point.y].merging(members) { $1 }
    }
}

private func set(_ keys: [[String: Any]]) throws -> [UInt8] {
    Array(try JSONSerialization.data(withJSONObject: ["keys": keys], options: .sortedKeys))
}

/// A verifier whose issuer's keys are in a file.
private final class JWTFixture: Sendable {
    static let settings = JWTSettings(keySet: nil, issuer: "https://issuer.example", audience: "interject")

    let group: EventLoopGroup
    var loop: EventLoop { group.loops[0] }
    let file: URL
    let source: JSONWebKeySource
    let verifier: JWTVerifier

    convenience init(_ keys: [String: Any]...) async throws { try await self.init(Self.settings, keys) }

    init(_ settings: JWTSettings, _ keys: [[String: Any]]) async throws {
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        group = try EventLoopGroup(count: 1, logger: logger)
        file = FileManager.default.temporaryDirectory.appendingPathComponent("interject-\(UUID().uuidString).json")
        try Data(try set(keys)).write(to: file)
        source = JSONWebKeySource(.file(file.path), loop: group.loops[0], logger: logger)
        await source.refresh()
        verifier = JWTVerifier(settings, keys: source, limits: RateLimits())
    }

    deinit {
        group.shutDown()
        try? FileManager.default.removeItem(at: file)
    }

    func write(_ keys: [[String: Any]]) throws { try Data(try set(keys)).write(to: file) }

    func caller(_ token: String) -> Caller? {
        if case .caller(let caller) = verifier.verify(token) { caller } else { nil }
    }

    /// Who is known by the token; nil: it was not seen.
    func recall(_ token: String) -> String? { verifier.recall(token, at: Int(Date().timeIntervalSince1970))?.name }
}

extension JWTVerifier.Outcome {
    fileprivate var name: String {
        switch self {
        case .caller(let caller): caller.owner
        case .refused: "refused"
        case .keyIsBeingFetched: "keyIsBeingFetched"
        case .busy: "busy"
        }
    }
}

extension JWTVerifier.Outcome? {
    fileprivate var isRefused: Bool { if case .refused? = self { true } else { false } }
}

import Digests
import Foundation
import HTTP
import Hosting
import LoopbackServer
import Network
import RunningServer
import Server
import SessionHosting
import Sessions
import Storage
import Synchronization
import Testing

@testable import API
@testable import Access

/// Every route against every kind of credential, scope and binding, over a connection: its handler is reached exactly where the list
/// says so, and else the answer says why not.
@Suite(.serialized, BlockingThread()) struct RouteAccessTests {
    private static let keyOfSettings = "a-key-of-the-settings"
    private static let operatorKey = "a-key-of-the-operator"
    private static let issuerSecret = "a-secret-of-the-issuer-that-is-long-enough"
    private static let ownResponse = "resp_of_the_session"
    private static let otherResponse = "resp_of_another_session"

    /// What a caller shows.
    private enum Credential {
        case none
        case unknownKey
        case operatorKey
        case keyOfSettings
        case storedKey(Scopes, secret: String)
        case webToken(Scopes)
        case clientToken(Scopes, boundTo: Caller.Binding?)
        case ticket(Scopes, for: Caller.Binding)

        var scopes: Scopes? {
            switch self {
            case .none, .unknownKey, .operatorKey: nil
            case .keyOfSettings: .all
            case .storedKey(let scopes, _), .webToken(let scopes), .clientToken(let scopes, _), .ticket(let scopes, _): scopes
            }
        }

        var binding: Caller.Binding? {
            switch self {
            case .clientToken(_, let binding): binding
            case .ticket(_, let binding): binding
            case .none, .unknownKey, .operatorKey, .keyOfSettings, .storedKey, .webToken: nil
            }
        }
    }

    /// Two sessions of one owner, with a response each.
    private struct Objects {
        let session: String
        let otherSession: String

        func path(of route: Route) -> String {
            route.path.segments.map { segment in
                switch segment {
                case .literal(let text): "/\(text)"
                case .parameter("session_id"): "/\(session)"
                case .parameter("response_id"): "/\(ownResponse)"
                case .parameter(let name): "/\(name)"
                }
            }.joined()
        }
    }

    private static func caller(_ scopes: Scopes, _ binding: Caller.Binding? = nil) -> Caller {
        var caller = Caller(owner: "ada", keyID: "ada", scopes: scopes)
        caller.binding = binding
        caller.hasKey = false
        return caller
    }

    private static var scopeSets: [Scopes] { [[]] + Scopes.names.compactMap { Scopes(text: $0) } }

    private static func credentials(_ objects: Objects, _ secrets: [(Scopes, String)]) -> [Credential] {
        var credentials: [Credential] = [.none, .unknownKey, .operatorKey, .keyOfSettings]
        credentials += secrets.map { .storedKey($0.0, secret: $0.1) }
        for scopes in scopeSets {
            credentials.append(.webToken(scopes))
            for binding in [nil, .session(objects.session), .session(objects.otherSession)] as [Caller.Binding?] {
                credentials.append(.clientToken(scopes, boundTo: binding))
            }
            for binding in [
                .session(objects.session), .session(objects.otherSession), .response(ownResponse), .response(otherResponse),
            ] as [Caller.Binding] {
                credentials.append(.ticket(scopes, for: binding))
            }
        }
        return credentials
    }

    private static let lastTicket = Mutex<String?>(nil)

    /// As a request shows it: the field and the query.
    private static func show(_ credential: Credential, to server: Server) async throws -> (fields: [String], query: String) {
        let key: String
        switch credential {
        case .none: return ([], "")
        case .unknownKey: key = "a-key-that-nobody-made"
        case .operatorKey: key = operatorKey
        case .keyOfSettings: key = keyOfSettings
        case .storedKey(_, let secret): key = secret
        case .webToken(let scopes): key = webToken(scopes)
        case .clientToken(let scopes, let binding):
            let signer = try #require(server.services.authentication.tokenSigner)
            key = signer.sign(caller(scopes, binding), expiresAt: Int(Date().timeIntervalSince1970) + 600)
        case .ticket(let scopes, let binding):
            // One that a refused call has left would count against its owner.
            if let unused = lastTicket.withLock({ $0 }) { _ = server.services.tickets.redeem(unused, now: Instant.monotonicNow) }
            let ticket = try #require(
                server.services.tickets.issue(
                    to: caller(scopes), for: binding, lifetime: .seconds(60), now: Instant.monotonicNow))
            lastTicket.withLock { $0 = ticket }
            return ([], "?ticket=\(ticket)")
        }
        return (["Authorization: Bearer \(key)"], "")
    }

    private static func webToken(_ scopes: Scopes) -> String {
        let expiry = Int(Date().timeIntervalSince1970) + 600
        let claims = #"{"iss":"issuer","aud":"server","sub":"ada","exp":\#(expiry),"scope":"\#(scopes.text)"}"#
        let signed = [#"{"alg":"HS256"}"#, claims].map { Base64URL.encode(Array($0.utf8)) }.joined(separator: ".")
        return signed + "." + Base64URL.encode(HMACSHA256.code(of: Array(signed.utf8), key: Array(issuerSecret.utf8)) ?? [])
    }

    /// What the list says of a call: `reached`, or status and code of the refusal.
    private static func expected(_ route: Route, _ method: HTTPMethod, _ credential: Credential, _ objects: Objects) -> String {
        let reads = method == .get || method == .head
        switch (route.scope, credential) {
        case (.open, _), (.operatorKey, .operatorKey): return "reached"
        case (.operatorKey, _): return "401 operator_key_needed"
        case (_, .none): return "401 missing_api_key"
        case (_, .ticket) where !reads: return "401 missing_api_key"
        default: break
        }
        guard let scopes = credential.scopes else { return "401 invalid_api_key" }
        let needed: Scopes? =
            switch route.scope {
            case .open, .operatorKey, .anyKey: nil
            case .one(let one): one
            case .split(let forReads, let forWrites): reads ? forReads : forWrites
            }
        if let needed, !scopes.isSuperset(of: needed) { return "403 missing_scope" }
        guard let binding = credential.binding else { return "reached" }
        switch route.binding {
        case .unbound: return "403 credential_is_bound"
        case .any: return "reached"
        case .session: return binding == .session(objects.session) ? "reached" : "404 session_not_found"
        case .response:
            let isBound = binding == .session(objects.session) || binding == .response(ownResponse)
            return isBound ? "reached" : "404 response_not_found"
        }
    }

    private static func outcome(_ answer: LoopbackClient.Answer, isHead: Bool, expected: String) -> String {
        if answer.status == 299 { return "reached" }
        // HEAD has no body that could tell.
        if isHead { return expected.hasPrefix("\(answer.status) ") ? expected : "\(answer.status)" }
        let code = answer.body.firstMatch(of: /"code":"([a-z_]+)"/).map { String($0.1) }
        return "\(answer.status) \(code ?? answer.body)"
    }

    private static func makeKeys(in directory: String) throws -> [(Scopes, String)] {
        let file = try APIKeyFile(directory: directory)
        return try Scopes.names.map { name in
            let secret = APIKeySecret()
            try file.insert(
                APIKeyRecord(
                    id: Identifier.make("key_"), hash: secret.hash, hint: secret.hint, name: name, owner: "ada", scopes: name,
                    createdAt: 1))
            return (try #require(Scopes(text: name)), secret.text)
        }
    }

    @Test func aHandlerIsReachedExactlyWhereTheListSaysSo() async throws {
        let directory = NSTemporaryDirectory() + "interject-routes-" + UUID().uuidString
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let secrets = try Self.makeKeys(in: directory)
        // The server's own list, with handlers that say that they were reached.
        let routes = { (own: [Route]) in
            own.map { $0.handled { call, _ in call.exchange.respond(HTTPStatus(299), contentType: nil, body: []) } }
        }
        try await withServer(changingRoutes: routes) { configuration in
            configuration.dataDirectory = directory
            configuration.access.principals = [.init(name: "ada", key: Self.keyOfSettings)]
            configuration.access.operatorKey = Self.operatorKey
            configuration.access.failedAttemptsPerMinute = 0
            var issuer = JWTSettings(keySet: nil, issuer: "issuer", audience: "server")
            issuer.secret = Self.issuerSecret
            configuration.access.jwt = issuer
        } _: { server in
            let services = server.services
            let objects = await server.onLoop { loop in
                let sessions = (0..<2).map { _ in loop.makeSession(owner: "ada", defaults: ResponseParameters(model: "m")).id }
                services.sessions.residency.insert(alias: Self.ownResponse, of: sessions[0])
                services.sessions.residency.insert(alias: Self.otherResponse, of: sessions[1])
                // A token of the issuer has an owner of its own, who needs none.
                return Objects(session: sessions[0], otherSession: sessions[1])
            }
            var client = try server.connect()
            var count = 0
            var reached = 0
            for credential in Self.credentials(objects, secrets) {
                for route in server.routes {
                    for method in route.method == .get ? [.get, .head] : [route.method] {
                        let shown = try await Self.show(credential, to: server)
                        let answer = try client.ask(
                            method.name, objects.path(of: route) + shown.query, fields: shown.fields,
                            body: route.method == .get ? nil : "{}")
                        if answer.fields["connection"] == "close" { client = try server.connect() }
                        let expected = Self.expected(route, method, credential, objects)
                        let outcome = Self.outcome(answer, isHead: method == .head, expected: expected)
                        #expect(outcome == expected, "\(method.name) \(route.path) with \(credential)")
                        count += 1
                        if expected == "reached" { reached += 1 }
                    }
                }
            }
            #expect(count > 10_000 && reached > 1000 && count - reached > 1000, "\(count) calls, \(reached) reached")
            print("\(server.routes.count) routes: \(count) calls, \(reached) of them reached their handler")
        }
    }
}

import Bytes
import Testing

@testable import WebSocket

@Suite struct ServerHandshakeTests {
    private typealias Field = (name: String, value: String)
    private static let good: [Field] = [
        (name: "Host", value: "server.example.com"), (name: "Upgrade", value: "websocket"),
        (name: "Connection", value: "Upgrade"), (name: "Sec-WebSocket-Key", value: "dGhlIHNhbXBsZSBub25jZQ=="),
        (name: "Sec-WebSocket-Version", value: "13"),
    ]

    /// The good request without the named fields, and with more.
    private static func request(
        _ method: String = "GET", minor: Int = 1, without names: [String] = [], adding fields: [(String, String)] = []
    ) -> HandshakeRequest {
        HandshakeRequest(
            method: method, httpMinorVersion: minor,
            fields: good.filter { !names.contains($0.name) } + fields.map { (name: $0.0, value: $0.1) })
    }

    private static func rejection(
        _ request: HandshakeRequest, _ server: ServerHandshake = ServerHandshake()
    ) -> HandshakeRejection? {
        do {
            _ = try server.accept(request)
            return nil
        } catch { return error }
    }

    /// RFC 6455 §1.3.
    @Test func acceptsTheExampleOfTheRFC() throws {
        let acceptance = try ServerHandshake(supportedSubprotocols: ["chat"], origins: .list(["http://example.com"]))
            .accept(
                Self.request(adding: [("Sec-WebSocket-Protocol", "chat, superchat"), ("Origin", "http://example.com")]))
        #expect(acceptance.acceptKey == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
        var output = ByteBuffer()
        acceptance.appendResponse(additionalFields: [(name: "Server", value: "interject")], into: &output)
        #expect(
            String(decoding: output.bytes, as: UTF8.self)
                == "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                + "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n"
                + "Server: interject\r\n\r\n")
    }

    @Test(arguments: [
        ("Upgrade", [("uPGRADE", "WebSocket")]), ("Upgrade", [("Upgrade", "h2c, websocket")]),
        ("Upgrade", [("Upgrade", "h2c"), ("Upgrade", "websocket")]),
        ("Connection", [("Connection", "keep-alive, Upgrade")]),
        ("Connection", [("connection", "keep-alive"), ("connection", " upgrade ")]), ("", [("Content-Length", "0")]),
        ("", [("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits, x; a=\"b\"")]),
        ("", [("Sec-WebSocket-Extensions", "a"), ("Sec-WebSocket-Extensions", "b; c=1")]),
    ])
    func acceptsEveryLawfulSpelling(removed: String, added: [(String, String)]) throws {
        let acceptance = try ServerHandshake().accept(Self.request(without: [removed], adding: added))
        #expect(acceptance.extensions == .none)
        #expect(acceptance.subprotocol == nil)
        #expect(!acceptance.fields.contains { $0.name == "Sec-WebSocket-Extensions" })
    }

    @Test(
        arguments: [
            ("Upgrade", [], .notAnUpgrade), ("Upgrade", [("Upgrade", "h2c")], .notAnUpgrade),
            ("Upgrade", [("Upgrade", "websockets")], .notAnUpgrade),
            ("Connection", [], .connectionNotUpgrade), ("Connection", [("Connection", "close")], .connectionNotUpgrade),
            ("Sec-WebSocket-Key", [], .fieldNotOnce(name: "Sec-WebSocket-Key")),
            ("", [("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")], .fieldNotOnce(name: "Sec-WebSocket-Key")),
            ("Sec-WebSocket-Key", [("Sec-WebSocket-Key", "")], .invalidKey),
            ("Sec-WebSocket-Key", [("Sec-WebSocket-Key", "not base64 at all !!!!!!")], .invalidKey),
            ("Sec-WebSocket-Key", [("Sec-WebSocket-Key", "c2hvcnQ=")], .invalidKey),
            ("Sec-WebSocket-Key", [("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ")], .invalidKey),
            ("Sec-WebSocket-Key", [("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZR==")], .invalidKey),
            ("Sec-WebSocket-Key", [("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZSEh")], .invalidKey),
            ("Sec-WebSocket-Version", [], .unsupportedVersion),
            ("Sec-WebSocket-Version", [("Sec-WebSocket-Version", "8")], .unsupportedVersion),
            ("Sec-WebSocket-Version", [("Sec-WebSocket-Version", "013")], .unsupportedVersion),
            ("Sec-WebSocket-Version", [("Sec-WebSocket-Version", "13, 8")], .unsupportedVersion),
            ("", [("Sec-WebSocket-Version", "13")], .fieldNotOnce(name: "Sec-WebSocket-Version")),
            ("Host", [], .fieldNotOnce(name: "Host")), ("", [("Host", "other.example.com")], .fieldNotOnce(name: "Host")),
            ("", [("Origin", "http://server.example.com"), ("Origin", "http://evil")], .fieldNotOnce(name: "Origin")),
            ("", [("Sec-WebSocket-Protocol", "chat, chat")], .invalidSubprotocols),
            ("", [("Sec-WebSocket-Protocol", "chat"), ("Sec-WebSocket-Protocol", "chat")], .invalidSubprotocols),
            ("", [("Sec-WebSocket-Protocol", "two words")], .invalidSubprotocols),
            ("", [("Sec-WebSocket-Extensions", "permessage-deflate; =1")], .invalidExtensions),
            ("", [("Sec-WebSocket-Extensions", "a; b=\"two words\"")], .invalidExtensions),
            ("", [("Sec-WebSocket-Extensions", "a b")], .invalidExtensions),
            ("", [("Sec-WebSocket-Extensions", "")], .invalidExtensions),
            ("", [("Content-Length", "5")], .hasBody), ("", [("Transfer-Encoding", "chunked")], .hasBody),
        ] as [(String, [(String, String)], HandshakeRejection)])
    func refusesEachBreach(removed: String, added: [(String, String)], expected: HandshakeRejection) {
        #expect(Self.rejection(Self.request(without: [removed], adding: added)) == expected)
    }

    @Test(arguments: ["POST", "get", "HEAD", "CONNECT"])
    func refusesOtherMethods(method: String) {
        #expect(Self.rejection(Self.request(method)) == .methodNotGET)
        #expect(HandshakeRejection.methodNotGET.status == 405)
    }

    @Test func refusesHTTP10() {
        #expect(Self.rejection(Self.request(minor: 0)) == .httpVersionTooOld)
    }

    @Test(arguments: [HandshakeRejection.unsupportedVersion, .notAnUpgrade])
    func tellsWhichVersionIsSpoken(rejection: HandshakeRejection) {
        #expect(rejection.status == 426)
        #expect(rejection.fields.contains { $0 == ("Sec-WebSocket-Version", "13") })
        #expect(rejection.fields.contains { $0 == ("Upgrade", "websocket") })
    }

    @Test func theClientsOrderOfSubprotocolsDecides() throws {
        let server = ServerHandshake(supportedSubprotocols: ["b", "c"])
        #expect(try server.accept(Self.request(adding: [("Sec-WebSocket-Protocol", "a,c , b")])).subprotocol == "c")
        #expect(try server.accept(Self.request(adding: [("Sec-WebSocket-Protocol", "B")])).subprotocol == nil)
    }

    @Test func browsersCredentialsAreFoundAmongTheSubprotocols() throws {
        let request = Self.request(adding: [
            ("Sec-WebSocket-Protocol", "realtime, openai-insecure-api-key.sk-123.x, openai-beta.realtime-v1")
        ])
        #expect(request.offeredSubprotocols.count == 3)
        #expect(request.credential(prefix: "openai-insecure-api-key.") == "sk-123.x")
        #expect(request.credential(prefix: "other.") == nil)
        #expect(Self.request(adding: [("Sec-WebSocket-Protocol", "k.")]).credential(prefix: "k.") == nil)
        let acceptance = try ServerHandshake(supportedSubprotocols: ["realtime"]).accept(request)
        #expect(acceptance.subprotocol == "realtime")
    }

    @Test(arguments: [
        (OriginPolicy.any, "http://evil.example", "a.com", true), (.sameHost, "https://a.com", "a.com", true),
        (.sameHost, "https://A.com", "a.COM:443", true), (.sameHost, "http://a.com", "a.com:443", false),
        (.sameHost, "http://a.com:8080", "a.com:8080", true), (.sameHost, "http://a.com:8080", "a.com", false),
        (.sameHost, "https://a.com.evil", "a.com", false), (.sameHost, "null", "a.com", false),
        (.sameHost, "", "", false), (.list(["https://a.com"]), "https://a.com", "b", true),
        (.list(["https://a.com"]), "https://A.com", "b", true),
        (.list(["https://a.com"]), "http://a.com", "a.com", false), (.list(["null"]), "null", "a.com", true),
        (.list([]), "https://a.com", "a.com", false),
    ])
    func originPolicies(policy: OriginPolicy, origin: String, host: String, allowed: Bool) {
        let request = Self.request(without: ["Host"], adding: [("Host", host), ("Origin", origin)])
        #expect(Self.rejection(request, ServerHandshake(origins: policy)) == (allowed ? nil : .originNotAllowed))
        let withoutOrigin = Self.request(without: ["Host"], adding: [("Host", host)])
        #expect(Self.rejection(withoutOrigin, ServerHandshake(origins: policy)) == nil)
    }

    @Test func anOrdinaryRequestIsToldApart() {
        #expect(ServerHandshake.isUpgrade(Self.request()))
        #expect(!ServerHandshake.isUpgrade(Self.request(without: ["Upgrade"])))
    }

    @Test func extensionOffersAreParsed() {
        let offers = ExtensionOffer.parse([
            "permessage-deflate; client_max_window_bits; server_max_window_bits=\"1\\0\", b", "c",
        ])
        #expect(
            offers == [
                ExtensionOffer(
                    name: "permessage-deflate",
                    parameters: [
                        .init(name: "client_max_window_bits", value: nil),
                        .init(name: "server_max_window_bits", value: "10"),
                    ]),
                ExtensionOffer(name: "b"), ExtensionOffer(name: "c"),
            ])
    }
}

import Bytes
import Testing

@testable import WebSocket

@Suite struct ClientHandshakeTests {
    private static func response(
        _ handshake: ClientHandshake, status: Int = 101, minor: Int = 1, without name: String = "",
        adding fields: [(String, String)] = []
    ) -> HandshakeResponse {
        let good: [(name: String, value: String)] = [
            (name: "upgrade", value: "WebSocket"), (name: "connection", value: "upgrade"),
            (name: "sec-websocket-accept", value: AcceptKey.accepting(handshake.key) ?? ""),
        ]
        return HandshakeResponse(
            status: status, httpMinorVersion: minor,
            fields: good.filter { $0.name != name } + fields.map { (name: $0.0, value: $0.1) })
    }

    @Test func aServerOfOursAcceptsItsRequestAndItTheResponse() throws {
        let client = ClientHandshake(subprotocols: ["v2", "v1"])
        let fields = client.fields + [(name: "Host", value: "localhost")]
        let acceptance = try ServerHandshake(supportedSubprotocols: ["v1"])
            .accept(HandshakeRequest(method: "GET", httpMinorVersion: 1, fields: fields))
        let response = HandshakeResponse(status: 101, httpMinorVersion: 1, fields: acceptance.fields)
        #expect(try client.validate(response).subprotocol == "v1")
    }

    @Test func theRequestOnTheWire() {
        let client = ClientHandshake(subprotocols: ["a", "b"])
        var output = ByteBuffer()
        client.appendRequest(
            target: "/v1?x=1", host: "h:8080", additionalFields: [(name: "Authorization", value: "Bearer t")],
            into: &output)
        #expect(
            String(decoding: output.bytes, as: UTF8.self)
                == "GET /v1?x=1 HTTP/1.1\r\nHost: h:8080\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                + "Sec-WebSocket-Key: \(client.key)\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: a, b\r\n"
                + "Authorization: Bearer t\r\n\r\n")
    }

    @Test func everyKeyIsNewAndLawful() {
        let keys = (0..<50).map { _ in ClientHandshake().key }
        #expect(Set(keys).count == 50)
        #expect(keys.allSatisfy(AcceptKey.isNonce))
    }

    @Test func noSubprotocolIsAnAnswerToo() throws {
        let client = ClientHandshake(subprotocols: ["a"])
        #expect(try client.validate(Self.response(client)).subprotocol == nil)
    }

    @Test(
        arguments: [
            ("upgrade", [], .notUpgraded), ("upgrade", [("Upgrade", "h2c")], .notUpgraded),
            ("", [("Upgrade", "websocket")], .notUpgraded), ("connection", [], .connectionNotUpgrade),
            ("connection", [("Connection", "close")], .connectionNotUpgrade), ("sec-websocket-accept", [], .wrongAcceptKey),
            ("sec-websocket-accept", [("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")], .wrongAcceptKey),
            ("", [("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")], .wrongAcceptKey),
            ("", [("Sec-WebSocket-Extensions", "permessage-deflate")], .extensionNotOffered),
            ("", [("Sec-WebSocket-Protocol", "b")], .subprotocolNotOffered),
            ("", [("Sec-WebSocket-Protocol", "A")], .subprotocolNotOffered),
            ("", [("Sec-WebSocket-Protocol", "a"), ("Sec-WebSocket-Protocol", "a")], .subprotocolNotOffered),
            ("", [("Sec-WebSocket-Protocol", "")], .subprotocolNotOffered),
        ] as [(String, [(String, String)], HandshakeFailure)])
    func refusesEachBreach(removed: String, added: [(String, String)], expected: HandshakeFailure) {
        let client = ClientHandshake(subprotocols: ["a"])
        #expect(throws: expected) { try client.validate(Self.response(client, without: removed, adding: added)) }
    }

    @Test(arguments: [200, 301, 401, 426, 503])
    func refusesAnyOtherStatus(status: Int) {
        let client = ClientHandshake()
        #expect(throws: HandshakeFailure.status(status)) { try client.validate(Self.response(client, status: status)) }
        #expect(throws: HandshakeFailure.httpVersionTooOld) { try client.validate(Self.response(client, minor: 0)) }
    }
}

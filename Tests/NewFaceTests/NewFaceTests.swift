import Foundation
import Glibc
import LoopbackServer
import NewFace
import RunningServer
import Server
import Storage
import Testing

@testable import API
@testable import Access

/// A face that the server's own list does not have.
@Suite(.serialized, BlockingThread()) struct NewFaceTests {
    private static let key = "a-key-of-the-settings"
    private static let operatorKey = "a-key-of-the-operator"

    private func withNotes(_ configure: (inout ServerConfiguration) -> Void = { _ in }, _ body: (Server) async throws -> Void)
        async throws
    {
        try await withServer(
            changingRoutes: { $0 + NotesFace.routes },
            configure: { configuration in
                configuration.access.principals = [.init(name: "ada", key: Self.key)]
                configuration.access.operatorKey = Self.operatorKey
                configure(&configuration)
            }, body)
    }

    private static func metrics(of server: Server) throws -> String {
        try server.connect().ask("GET", "/metrics", fields: ["Authorization: Bearer \(operatorKey)"]).body
    }

    private let bearer = "Authorization: Bearer \(key)"

    @Test func itsRouteHasWhatEveryRouteHas() async throws {
        try await withNotes { server in
            let client = try server.connect()
            let made = try client.ask("POST", "/v1/notes", fields: [bearer, "Idempotency-Key: one"], body: #"{"text": "a"}"#)
            #expect(made.status == 201 && made.body.contains(#""text":"a""#) && made.fields["x-request-id"] != nil)
            let again = try client.ask("POST", "/v1/notes", fields: [bearer, "Idempotency-Key: one"], body: #"{"text": "a"}"#)
            #expect(again.body == made.body && again.fields["idempotent-replayed"] == "true")
            #expect(try client.ask("POST", "/v1/notes", fields: [bearer], body: "{}").status == 400)
            let missing = try client.ask("GET", "/v1/notes/n", fields: [bearer])
            #expect(missing.status == 404 && missing.body.contains("note_not_found"))
            #expect(try client.ask("HEAD", "/v1/notes/n", fields: [bearer]).status == 404)
            #expect(try client.ask("GET", "/v1/notes/n").status == 401)
            let wrong = try client.ask("DELETE", "/v1/notes/n", fields: [bearer])
            #expect(wrong.status == 405 && wrong.fields["allow"] == "GET, HEAD")
            let preflight = try client.ask("OPTIONS", "/v1/notes", fields: ["Origin: https://page.example"])
            #expect(preflight.status == 204 && preflight.fields["access-control-allow-methods"]?.contains("POST") == true)
            let signer = try #require(server.services.authentication.tokenSigner)
            let narrow = signer.sign(
                Caller(owner: "ada", keyID: "ada", scopes: .sessions), expiresAt: time(nil) + 60)
            let refused = try client.ask("GET", "/v1/notes/n", fields: ["Authorization: Bearer \(narrow)"])
            #expect(refused.status == 403 && refused.body.contains("'chat'"))
            #expect(try client.ask("GET", "/notes/n", fields: [bearer]).body.contains("Try /v1/notes/n:"))
            let page = try Self.metrics(of: server)
            #expect(page.contains(#"interject_http_requests_total{face="notes",status="2xx"} 3"#))
            #expect(page.contains(#"interject_http_requests_total{face="notes",status="4xx"} 6"#))
        }
    }

    @Test func itsSocketHasTheDutiesOfEverySocket() async throws {
        try await withNotes { server in
            let plain = try server.connect()
            let advice = try plain.ask("GET", "/v1/notes", fields: [bearer])
            #expect(advice.status == 426 && advice.body.contains("GET /v1/notes is a WebSocket"))
            #expect(try plain.upgrade("/v1/notes").status == 401)
            let client = try server.connect()
            let agreed = try client.upgrade("/v1/notes", fields: [bearer, "Sec-WebSocket-Protocol: other, notes.v1"])
            #expect(agreed.status == 101 && agreed.fields["sec-websocket-protocol"] == "notes.v1")
            try client.send(text: "hello")
            #expect(try client.frame() == "ada: hello")
            #expect(await server.services.openCounts() == .init(sockets: 1))
            let page = try Self.metrics(of: server)
            #expect(page.contains(#"interject_websocket_handshake_failures_total{reason="missing_api_key"} 1"#))
            try client.send(frame: 8, [0x03, 0xE8])
            #expect(try client.frame() == "close 1000")
            while await server.services.openCounts() != .init() { await Task.yield() }
        }
    }

    @Test func theLastWordOfItsClientIsAnswered() async throws {
        try await withNotes { server in
            for _ in 0..<20 {
                let client = try server.connect()
                #expect(try client.upgrade("/v1/notes", fields: [bearer]).status == 101)
                try client.send(text: "shout hello")
                try client.send(frame: 8, [0x03, 0xE8])
                #expect(try client.frame() == "HELLO")
                #expect(try client.frame() == "close 1000")
            }
        }
    }

    @Test func itsSocketClosesAtRestWhenTheServerStops() async throws {
        try await withNotes { server in
            let (idle, busy) = (try server.connect(), try server.connect())
            for client in [idle, busy] { #expect(try client.upgrade("/v1/notes", fields: [bearer]).status == 101) }
            try busy.send(text: "work")
            #expect(try busy.frame() == "ada: work")
            await server.services.drain(window: .zero)
            #expect(try idle.frame() == "close 1012")
            try busy.send(text: "done")
            #expect(try busy.frame() == "ada: done")
            #expect(try busy.frame() == "close 1012")
        }
    }

    @Test func whatAKeyHasOpenedEndsWithIt() async throws {
        let directory = NSTemporaryDirectory() + "interject-notes-" + UUID().uuidString
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let file = try APIKeyFile(directory: directory)
        let secret = APIKeySecret()
        try file.insert(
            APIKeyRecord(id: "key_1", hash: secret.hash, hint: secret.hint, name: "bob", owner: "bob", scopes: "all", createdAt: 1))
        try await withNotes({ $0.dataDirectory = directory }) { server in
            let (socket, stream, other) = (try server.connect(), try server.connect(), try server.connect())
            let revoked = "Authorization: Bearer \(secret.text)"
            #expect(try socket.upgrade("/v1/notes", fields: [revoked]).status == 101)
            #expect(try other.upgrade("/v1/notes", fields: [bearer]).status == 101)
            #expect(try stream.ask("GET", "/v1/notes/n/words", fields: [revoked]).status == 200)
            #expect(await server.services.openCounts() == .init(streams: 1, sockets: 2))
            try file.revoke("key_1", at: 2)
            #expect(try socket.frame() == "key_revoked")
            #expect(try socket.frame() == "close 1008")
            #expect(try stream.rest().contains("event: key_revoked"))
            try other.send(text: "still here")
            #expect(try other.frame() == "ada: still here")
        }
    }
}

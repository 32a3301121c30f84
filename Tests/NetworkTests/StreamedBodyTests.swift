import Glibc
import HTTP
import LoopbackServer
import Network
import Testing

extension Loopback.HTTPConnectionTests {
    private func post(_ path: String, _ fields: String) -> String { "POST \(path) HTTP/1.1\r\nHost: test\r\n\(fields)\r\n" }

    private func answer(to body: [UInt8]) -> String {
        "\(body.count) \(body.reduce(0 as UInt64) { $0 &* 31 &+ UInt64($1) })"
    }

    @Test func aBodyComesInPiecesToAHandlerThatWantsThem() async throws {
        let server = try await TestServer()
        let socket = try server.connect()
        let body = (0..<700_000).map { UInt8(truncatingIfNeeded: $0 &* 7919 >> 3) }
        for _ in 0..<2 {
            try socket.send(post("/upload", "Content-Length: \(body.count)\r\n"))
            try socket.send(body)
            #expect(try socket.receiveResponse().body == answer(to: body))
        }
        try socket.send(post("/upload", "Transfer-Encoding: chunked\r\n"))
        for start in stride(from: 0, to: body.count, by: 100_000) {
            try socket.send(Array("\(String(100_000, radix: 16))\r\n".utf8) + body[start..<(start + 100_000)] + Array("\r\n".utf8))
        }
        // The next request in the same write: it waits for its turn.
        try socket.send("0\r\n\r\nGET /hello HTTP/1.1\r\nHost: test\r\n\r\n")
        #expect(try socket.receiveResponse().body == answer(to: body))
        #expect(try socket.receiveResponse().body == "hello")
    }

    @Test func aStreamedBodyMayBeShortOrCameWithItsHead() async throws {
        let server = try await TestServer()
        let socket = try server.connect()
        try socket.send(post("/upload", "Content-Length: 3\r\n") + "abc" + post("/upload", "Content-Length: 1\r\n") + "d")
        #expect(try socket.receiveResponse().body == answer(to: Array("abc".utf8)))
        #expect(try socket.receiveResponse().body == answer(to: Array("d".utf8)))
        // Without a body there is nothing to stream.
        try socket.send(post("/hello", "") + post("/hello", "Content-Length: 2\r\n") + "xx")
        #expect(try socket.receiveResponse().body == "hello")
        #expect(try socket.receiveResponse().body == "hello")
    }

    @Test func whoWaitsToBeAskedIsAskedOnlyIfTheBodyIsWanted() async throws {
        let server = try await TestServer()
        let asked = try server.connect()
        try asked.send(post("/upload", "Content-Length: 2\r\nExpect: 100-continue\r\n"))
        #expect(try asked.receive(through: "\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n")
        try asked.send("ab")
        #expect(try asked.receiveResponse().body == answer(to: Array("ab".utf8)))
        let refused = try server.connect()
        try refused.send(post("/upload-refused", "Content-Length: 2000000\r\nExpect: 100-continue\r\n"))
        let text = String(decoding: try refused.receiveAll(), as: UTF8.self)
        #expect(text.hasPrefix("HTTP/1.1 403 "))
        #expect(text.contains("Connection: close\r\n"))
    }

    @Test func aRefusedBodyIsNotReadAsTheNextRequest() async throws {
        let server = try await TestServer()
        let socket = try server.connect()
        let smuggled = "GET /hello HTTP/1.1\r\nHost: test\r\n\r\n"
        try socket.send(post("/upload-refused", "Content-Length: 100000\r\n") + smuggled)
        let text = String(decoding: try socket.receiveAll(), as: UTF8.self)
        #expect(text.hasSuffix("\r\n\r\nno"))
        #expect(!server.journal.all.contains("request /hello"))
    }

    @Test func theHandlerHearsThatTheRestOfABodyIsNotComing() async throws {
        let server = try await TestServer()
        let socket = try server.connect()
        try socket.send(post("/upload", "Content-Length: 100\r\n") + "some")
        #expect(await server.journal.has("body begins"))
        socket.close()
        #expect(await server.journal.has("disconnect /upload"))
        let broken = try server.connect()
        try broken.send(post("/upload", "Transfer-Encoding: chunked\r\n") + "2\r\nab\r\nzz\r\n")
        let text = String(decoding: try broken.receiveAll(), as: UTF8.self)
        #expect(text.hasPrefix("HTTP/1.1 400 "))
        #expect(await eventually { server.journal.count(of: "disconnect /upload") == 2 })
    }

    @Test func aStreamedBodyThatStopsComingIsGivenUp() async throws {
        var deadlines = HTTPServer.Deadlines()
        deadlines.body = .milliseconds(50)
        let server = try await TestServer(deadlines: deadlines)
        let socket = try server.connect()
        try socket.send(post("/upload", "Content-Length: 100\r\n") + "some")
        let text = String(decoding: try socket.receiveAll(), as: UTF8.self)
        #expect(text.hasPrefix("HTTP/1.1 408 "))
        #expect(await server.journal.has("disconnect /upload"))
    }
}

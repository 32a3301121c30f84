import Glibc
import HTTP
import LoopbackServer
import Network
import Testing

/// Requests whose handler finds out who asks before it lets anything of them be read.
extension Loopback.HTTPConnectionTests {
    private func request(_ path: String, _ fields: String = "", method: String = "GET") -> String {
        "\(method) \(path) HTTP/1.1\r\nHost: test\r\n\(fields)\r\n"
    }

    @Test func requestsWhoseTermsAreFoundLaterKeepTheirOrder() async throws {
        let server = try await TestServer()
        let socket = try server.connect()
        let post = request("/echo", "Wait: c\r\nContent-Length: 4\r\n", method: "POST") + "body"
        try socket.send(
            request("/credential", "Wait: a\r\n") + request("/credential") + post + request("/credential", "Wait: b\r\n")
                + request("/hello"))
        for expected in ["a", "none", "body", "b", "hello"] { #expect(try socket.receiveResponse().body == expected) }
        #expect(
            server.journal.all == [
                "waits /credential", "found /credential", "request /credential", "request /credential", "waits /echo",
                "found /echo",
                "request /echo", "waits /credential", "found /credential", "request /credential", "request /hello",
            ])
    }

    @Test(arguments: ["/echo", "/upload"]) func aBodyThatComesWhileTheTermsAreFoundIsWhole(path: String) async throws {
        let server = try await TestServer()
        let body = (0..<700_000).map { UInt8(ascii: "a") + UInt8($0 * 7919 >> 3 & 15) }
        let sum = body.reduce(0 as UInt64) { $0 &* 31 &+ UInt64($1) }
        let expected = path == "/echo" ? String(decoding: body, as: UTF8.self) : "\(body.count) \(sum)"
        let socket = try server.connect()
        for _ in 0..<2 {
            try socket.send(request(path, "Wait: x\r\nContent-Length: \(body.count)\r\n", method: "POST"))
            try socket.send(body)
            #expect(try socket.receiveResponse().body == expected)
        }
        // In pieces: some before the terms are found, some after.
        try socket.send(request(path, "Wait: x\r\nTransfer-Encoding: chunked\r\n", method: "POST"))
        for start in stride(from: 0, to: body.count, by: 100_000) {
            try socket.send(Array("\(String(100_000, radix: 16))\r\n".utf8) + body[start..<(start + 100_000)] + Array("\r\n".utf8))
            try await Task.sleep(for: .milliseconds(10))
        }
        try socket.send("0\r\n\r\n" + request("/hello"))
        #expect(try socket.receiveResponse().body == expected)
        #expect(try socket.receiveResponse().body == "hello")
    }

    @Test func theTermsSayHowMuchOfABodyIsTaken() async throws {
        let server = try await TestServer()
        let socket = try server.connect()
        try socket.send(
            request("/echo", "Wait: x\r\nMax-Body: 3\r\nContent-Length: 3\r\n", method: "POST") + "abc"
                + request("/echo", "Wait: x\r\nMax-Body: 3\r\nContent-Length: 4\r\n", method: "POST") + "abcd")
        #expect(try socket.receiveResponse().body == "abc")
        #expect(try socket.receiveResponse().head.hasPrefix("HTTP/1.1 413 "))
    }

    @Test func whoWaitsToBeAskedForABodyIsAskedWhenTheTermsAreFound() async throws {
        let server = try await TestServer()
        let socket = try server.connect()
        try socket.send(request("/echo", "Wait: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n", method: "POST"))
        #expect(try socket.receive(through: "\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n")
        #expect(server.journal.count(of: "found /echo") == 1)
        try socket.send("ab")
        #expect(try socket.receiveResponse().body == "ab")
    }

    @Test func aClientThatLeavesBeforeTheTermsAreFoundIsNotServed() async throws {
        let server = try await TestServer()
        do {
            let socket = try server.connect()
            try socket.send(request("/hello", "Wait: x\r\n") + request("/hello"))
            #expect(await server.journal.has("waits /hello"))
            // Gone by RST, not by a FIN behind which it may still read.
            var option = linger(l_onoff: 1, l_linger: 0)
            setsockopt(socket.descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
            socket.close()
        }
        #expect(await server.journal.has("found /hello"))
        let other = try server.connect()
        try other.send(request("/credential", "Wait: y\r\n"))
        #expect(try other.receiveResponse().body == "y")
        #expect(server.journal.count(of: "request /hello") == 0)
    }

    @Test func aWebSocketMayBeginBehindTermsThatAreFoundLater() async throws {
        let server = try await TestServer()
        let socket = try server.connect()
        let fields =
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        // The first frame, of "hi", comes with the request: it waits, too.
        try socket.send(Array(request("/ws", fields + "Wait: x\r\n").utf8) + [0x81, 0x82, 0, 0, 0, 0] + Array("hi".utf8))
        #expect(try socket.receive(through: "\r\n\r\n").hasPrefix("HTTP/1.1 101 "))
        #expect(try socket.receive(exactly: 4) == [0x81, 0x02] + Array("hi".utf8))
        #expect(server.journal.all.prefix(3) == ["waits /ws", "found /ws", "request /ws"])
    }
}

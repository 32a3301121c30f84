import Glibc
import HTTP
import LoopbackServer
import Network
import Testing

extension Loopback.HTTPConnectionTests {
    private func get(_ path: String, _ fields: String = "", method: String = "GET", version: String = "1.1") -> String {
        "\(method) \(path) HTTP/\(version)\r\nHost: test\r\n\(fields)\r\n"
    }

    @Test func aConnectionCarriesManyRequests() async throws {
        let server = try await TestServer()
        let socket = try server.connect()
        for _ in 0..<3 {
            try socket.send(get("/hello"))
            let response = try socket.receiveResponse()
            #expect(response.head.hasPrefix("HTTP/1.1 200 OK\r\n"))
            #expect(response.head.contains("\r\nDate: "))
            #expect(response.head.contains("Content-Type: text/plain\r\n"))
            #expect(response.body == "hello")
        }
        try socket.send(get("/hello", "Connection: close\r\n"))
        let text = String(decoding: try socket.receiveAll(), as: UTF8.self)
        #expect(text.contains("Connection: close\r\n"))
        #expect(text.hasSuffix("\r\n\r\nhello"))
    }

    @Test func aRequestMayComeByteByByte() async throws {
        let server = try await TestServer()
        let socket = try server.connect()
        for byte in get("/echo", "Content-Length: 3\r\n").utf8 { try socket.send([byte]) }
        for byte in "abc".utf8 { try socket.send([byte]) }
        #expect(try socket.receiveResponse().body == "abc")
    }

    @Test func aLongAnswerComesWholeAndWhatIsAskedBehindItFollows() async throws {
        let server = try await TestServer()
        let socket = try server.connect()
        let body = String(repeating: "0123456789", count: 300_000)
        try socket.send(get("/echo", "Content-Length: \(body.utf8.count)\r\n", method: "POST") + body + get("/hello"))
        let response = try socket.receiveResponse()
        #expect(response.head.contains("Content-Length: 3000000\r\n"))
        #expect(response.body == body)
        #expect(try socket.receiveResponse().body == "hello")
    }

    @Test func pipelinedRequestsAreAnsweredInTheirOrder() async throws {
        let server = try await TestServer()
        let socket = try server.connect()
        let echo = get("/echo", "Content-Length: 4\r\n", method: "POST") + "body"
        try socket.send(get("/slow") + get("/hello") + echo + get("/slow") + get("/nowhere") + get("/hel"))
        #expect(try socket.receiveResponse().body == "slow")
        #expect(server.journal.all.filter { $0.hasPrefix("request") }.count >= 1)
        #expect(try socket.receiveResponse().body == "hello")
        #expect(try socket.receiveResponse().body == "body")
        #expect(try socket.receiveResponse().body == "slow")
        #expect(try socket.receiveResponse().head.hasPrefix("HTTP/1.1 404 "))
        #expect(try socket.receiveResponse().head.hasPrefix("HTTP/1.1 404 "))
        #expect(
            server.journal.all == [
                "request /slow", "request /hello", "request /echo", "request /slow", "request /nowhere", "request /hel",
            ])
    }

    @Test func pipelinedRequestsWaitWhileOneIsAnswered() async throws {
        let server = try await TestServer()
        let socket = try server.connect()
        try socket.send(get("/never") + get("/hello"))
        #expect(await server.journal.has("request /never"))
        try socket.send(get("/hello"))
        try await Task.sleep(for: .milliseconds(30))
        #expect(server.journal.all == ["request /never"])
    }

    @Test func whoAsksAndDoesNotReadIsNotAnsweredWithoutEnd() async throws {
        let server = try await TestServer()
        let socket = try server.connect(receiveBufferByteCount: 8192)
        let count = 200
        try socket.send(String(repeating: get("/big"), count: count))
        try await Task.sleep(for: .milliseconds(100))
        // 256 KiB each: what the kernel's buffers and the mark for congestion hold, and not 50 MiB.
        #expect(server.journal.all.count < 100)
        var byteCount = 0
        while byteCount < count * (256 << 10) { byteCount += try socket.receive(1 << 18).count }
        #expect(server.journal.all.count == count)
    }

    @Test func aChunkedBodyIsJoined() async throws {
        let server = try await TestServer()
        let socket = try server.connect()
        try socket.send(get("/echo", "Transfer-Encoding: chunked\r\n", method: "POST"))
        for piece in ["5\r\nhello\r\n", "1;ext=1\r\n \r\n", "5\r\nwor", "ld\r\n0\r\n", "\r\n"] { try socket.send(piece) }
        #expect(try socket.receiveResponse().body == "hello world")
        try socket.send(get("/hello"))
        #expect(try socket.receiveResponse().body == "hello")
    }

    @Test func whoExpectsContinueIsToldToGoOn() async throws {
        let server = try await TestServer()
        let socket = try server.connect()
        try socket.send(get("/echo", "Expect: 100-continue\r\nContent-Length: 2\r\n", method: "POST"))
        #expect(try socket.receive(through: "\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n")
        try socket.send("ok")
        #expect(try socket.receiveResponse().body == "ok")
    }

    @Test func anAnswerToHEADHasNoBody() async throws {
        let server = try await TestServer()
        let socket = try server.connect()
        try socket.send(get("/hello", method: "HEAD") + get("/stream", method: "HEAD") + get("/hello"))
        #expect(try socket.receiveResponse(hasBody: false).head.contains("Content-Length: 5\r\n"))
        #expect(try socket.receiveResponse(hasBody: false).head.contains("text/event-stream"))
        #expect(try socket.receiveResponse().body == "hello")
    }

    // MARK: Streams

    @Test func eachPieceOfAStreamIsAChunk() async throws {
        let server = try await TestServer()
        let socket = try server.connect()
        try socket.send(get("/stream"))
        let head = try socket.receive(through: "\r\n\r\n")
        #expect(head.contains("Transfer-Encoding: chunked\r\n"))
        #expect(head.contains("X-Fine: y\r\n"))
        #expect(!head.contains("X-Broken"))
        var body = ""
        for _ in 0..<3 {
            // The line's end is one Character.
            let size = try socket.receive(through: "\r\n")
            #expect(Int(size.dropLast(), radix: 16) == 8)
            body += try socket.receive(through: ";\r\n")
        }
        #expect(body == "piece 1;\r\npiece 2;\r\npiece 3;\r\n")
        #expect(try socket.receive(through: "0\r\n\r\n") == "0\r\n\r\n")
        try socket.send(get("/hello"))
        #expect(try socket.receiveResponse().body == "hello")
    }

    @Test func aStreamToAnOldClientEndsWithTheConnection() async throws {
        let server = try await TestServer()
        let socket = try server.connect()
        try socket.send(get("/stream", version: "1.0"))
        let text = String(decoding: try socket.receiveAll(), as: UTF8.self)
        #expect(!text.contains("Transfer-Encoding"))
        #expect(text.hasSuffix("\r\n\r\npiece 1;piece 2;piece 3;"))
    }

    @Test func aStreamThatIsBrokenOffDoesNotLookComplete() async throws {
        let server = try await TestServer()
        let socket = try server.connect()
        try socket.send(get("/cut"))
        var received: [UInt8] = []
        let failure = #expect(throws: RawSocket.Failure.self) {
            while true {
                let more = try socket.receive()
                if more.isEmpty { break }
                received += more
            }
        }
        #expect(failure?.code == ECONNRESET)
        #expect(!String(decoding: received, as: UTF8.self).hasSuffix("0\r\n\r\n"))
        #expect(server.journal.count(of: "disconnect /cut") == 0)
    }

    @Test func aFloodIsFedAsTheClientReads() async throws {
        let server = try await TestServer()
        let socket = try server.connect(receiveBufferByteCount: 16384)
        try socket.send(get("/flood", "Connection: close\r\n"))
        _ = try socket.receive(through: "\r\n\r\n")
        let body = try socket.receiveAll()
        #expect(body.count { $0 == 102 } == 16 << 20)
        #expect(body.suffix(5) == Array("0\r\n\r\n".utf8))
    }

    @Test(arguments: ["/endless", "/never"]) func aClientThatGoesAwayIsToldOfOnce(_ path: String) async throws {
        let server = try await TestServer()
        let socket = try server.connect()
        try socket.send(get(path))
        #expect(await server.journal.has("request \(path)"))
        if path == "/endless" { _ = try socket.receive(through: "begun") }
        socket.close()
        #expect(await server.journal.has("disconnect \(path)"))
        _ = await server.loops.run { _ in true }
        try await Task.sleep(for: .milliseconds(20))
        #expect(server.journal.count(of: "disconnect \(path)") == 1)
    }

    @Test func aFinishedExchangeHearsOfNoDisconnect() async throws {
        let server = try await TestServer()
        let socket = try server.connect()
        try socket.send(get("/hello"))
        #expect(try socket.receiveResponse().body == "hello")
        socket.close()
        try await Task.sleep(for: .milliseconds(20))
        #expect(server.journal.all == ["request /hello"])
    }

    @Test func theLastAnswerArrivesWholeThoughMoreWasAsked() async throws {
        let server = try await TestServer()
        let socket = try server.connect()
        try socket.send(get("/last"))
        #expect(await server.journal.has("request /last"))
        // Unread at the server when it closes: must not cost the client its answer.
        try socket.send(String(repeating: get("/hello"), count: 1000))
        try await Task.sleep(for: .milliseconds(40))
        let bytes = try socket.receiveAll()
        #expect(bytes.count { $0 == 120 } >= 2 << 20)
        #expect(!server.journal.all.contains("request /hello"))
    }

    // MARK: Refusals

    @Test(arguments: [
        ("GET / HTTP/1.1\r\n\r\n", 400), ("\u{16}\u{3}\u{1}", 400), ("GET / HTTP/1.1\nHost: x\n\n", 400),
        ("GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        ("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 101\r\n\r\n", 413),
        ("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n", 413),
    ])
    func whatIsNoRequestIsRefusedAndTheConnectionCloses(_ text: String, _ status: Int) async throws {
        var limits = MessageLimits()
        limits.maxBodyBytes = 100
        let server = try await TestServer(limits: limits)
        let socket = try server.connect()
        try socket.send(get("/hello") + text)
        #expect(try socket.receiveResponse().body == "hello")
        let answer = String(decoding: try socket.receiveAll(), as: UTF8.self)
        #expect(answer.hasPrefix("HTTP/1.1 \(status) "))
        #expect(answer.contains("Connection: close\r\n"))
        #expect(server.journal.all == ["request /hello"])
    }

    @Test func aHeadThatTakesTooLongIsAnswered408() async throws {
        var deadlines = HTTPServer.Deadlines()
        deadlines.head = .milliseconds(60)
        let server = try await TestServer(deadlines: deadlines)
        let socket = try server.connect()
        try socket.send("GET / HT")
        #expect(String(decoding: try socket.receiveAll(), as: UTF8.self).hasPrefix("HTTP/1.1 408 "))
        // Also the second one of a connection.
        let second = try server.connect()
        try second.send(get("/hello") + "GET /")
        #expect(try second.receiveResponse().body == "hello")
        #expect(String(decoding: try second.receiveAll(), as: UTF8.self).hasPrefix("HTTP/1.1 408 "))
    }

    @Test func aBodyThatTakesTooLongIsAnswered408() async throws {
        var deadlines = HTTPServer.Deadlines()
        deadlines.body = .milliseconds(60)
        let server = try await TestServer(deadlines: deadlines)
        let socket = try server.connect()
        try socket.send(get("/echo", "Content-Length: 10\r\n", method: "POST") + "ab")
        #expect(String(decoding: try socket.receiveAll(), as: UTF8.self).hasPrefix("HTTP/1.1 408 "))
    }

    @Test func anIdleConnectionClosesWithoutAWord() async throws {
        var deadlines = HTTPServer.Deadlines()
        deadlines.idle = .milliseconds(60)
        let server = try await TestServer(deadlines: deadlines)
        let socket = try server.connect()
        try socket.send(get("/slow"))
        #expect(try socket.receiveResponse().body == "slow")
        #expect(try socket.receiveAll().isEmpty)
    }

    @Test func noDeadlineEndsAnAnswer() async throws {
        var deadlines = HTTPServer.Deadlines()
        deadlines.idle = .milliseconds(10)
        deadlines.head = .milliseconds(10)
        let server = try await TestServer(deadlines: deadlines)
        let socket = try server.connect()
        try socket.send(get("/slow"))
        #expect(try socket.receiveResponse().body == "slow")
    }
}

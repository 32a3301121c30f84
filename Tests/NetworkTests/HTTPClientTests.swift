import Glibc
import HTTP
import Logging
import LoopbackServer
import Network
import Synchronization
import Testing

@Suite struct HTTPClientTests {
    private let group: EventLoopGroup
    private var loop: EventLoop { group.loops[0] }

    init() throws {
        group = try EventLoopGroup(count: 1, logger: Logger(label: "test"))
    }

    /// Gives `body` a server, and ends the server and the loop behind it.
    private func with(
        _ handler: @escaping @Sendable (LoopbackPeer) -> Void, _ body: (LoopbackServer) async throws -> Void
    ) async throws {
        let server = LoopbackServer(handler)
        defer {
            server.stop()
            group.shutDown()
        }
        try await body(server)
    }

    private func request(_ url: String, silence: Duration = .seconds(600)) -> HTTPClientRequest {
        var request = HTTPClientRequest(url: url)
        request.silenceTimeout = silence
        return request
    }

    // MARK: Whole responses

    @Test func aResponseComesWithStatusFieldsAndBody() async throws {
        try await with { peer in
            _ = peer.readRequest()
            peer.send("HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello")
        } _: { server in
            let recorder = await loop.begin(request(server.url))
            #expect(await recorder.waitForEnd() == .finished(status: 429))
            let record = recorder.now
            #expect(record.status == 429 && record.fields["retry-after"] == "7" && record.body == "hello")
            #expect(record.fields["content-type"] == "text/plain" && record.endCount == 1)
        }
    }

    @Test func interimResponsesArePassedOver() async throws {
        try await with { peer in
            _ = peer.readRequest()
            peer.send("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n")
            peer.respond("done")
        } _: { server in
            let recorder = await loop.begin(request(server.url))
            #expect(await recorder.waitForEnd() == .finished(status: 200))
            #expect(recorder.now.body == "done" && recorder.now.fields["link"] == nil)
        }
    }

    @Test func aRequestIsSentAsItIsAndAtOnce() async throws {
        let seen = Mutex<LoopbackPeer.Request?>(nil)
        try await with { peer in
            let request = peer.readRequest()
            seen.withLock { $0 = request }
            peer.respond("ok")
        } _: { server in
            var request = HTTPClientRequest(
                method: "POST", url: server.url + "/v1/x?y=1", body: [UInt8](repeating: 120, count: 2 << 20))
            try request.fields.append("Authorization", "Bearer k")
            try request.fields.append("Content-Type", "application/json")
            let recorder = await loop.begin(request)
            #expect(await recorder.waitForEnd() == .finished(status: 200))
            let got = try #require(seen.withLock { $0 })
            let head = got.head
            #expect(head.hasPrefix("POST /v1/x?y=1 HTTP/1.1\r\n") && got.bodyByteCount == 2 << 20)
            #expect(head.contains("Authorization: Bearer k") && head.contains("Accept-Encoding: identity"))
            #expect(!head.contains("Expect") && !head.contains("x-www-form-urlencoded"))
        }
    }

    @Test func aConnectionIsUsedAgain() async throws {
        try await with { peer in
            while peer.readRequest() != nil { peer.respond("ok") }
        } _: { server in
            for _ in 0..<5 {
                let recorder = await loop.begin(request(server.url))
                #expect(await recorder.waitForEnd() == .finished(status: 200))
            }
            #expect(server.connectionCount == 1)
        }
    }

    @Test func aHundredTransfersAtOnce() async throws {
        try await with { peer in
            while peer.readRequest() != nil {
                peer.sendStreamHead()
                for piece in 0..<20 { peer.sendChunk("piece \(piece) ") }
                peer.send("0\r\n\r\n")
            }
        } _: { server in
            let expected = (0..<20).map { "piece \($0) " }.joined()
            var recorders: [TransferRecorder] = []
            for _ in 0..<100 { recorders.append(await loop.begin(request(server.url))) }
            for recorder in recorders {
                #expect(await recorder.waitForEnd() == .finished(status: 200))
                #expect(recorder.now.body == expected)
            }
        }
    }

    // MARK: Streams

    @Test func piecesAreDeliveredAsTheyCome() async throws {
        let mayGoOn = Mutex(false)
        try await with { peer in
            _ = peer.readRequest()
            peer.sendStreamHead()
            peer.sendChunk("one")
            while !mayGoOn.withLock({ $0 }) { usleepBriefly() }
            peer.sendChunk("two")
            peer.send("0\r\n\r\n")
        } _: { server in
            let recorder = await loop.begin(request(server.url))
            let early = await recorder.wait { !$0.body.isEmpty }
            #expect(early.body == "one" && early.status == 200 && early.end == nil)
            mayGoOn.withLock { $0 = true }
            #expect(await recorder.waitForEnd() == .finished(status: 200))
            #expect(recorder.now.body == "onetwo")
        }
    }

    @Test func aCutBodyIsNoEnd() async throws {
        try await with { peer in
            while let request = peer.readRequest() {
                switch request.head.split(separator: " ")[1] {
                case "/length": peer.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
                case "/chunk":
                    peer.sendStreamHead()
                    peer.sendChunk("hello")
                case "/reset":
                    peer.sendStreamHead()
                    peer.sendChunk("hello")
                    usleepBriefly()
                    peer.reset()
                default: break
                }
                return
            }
        } _: { server in
            for path in ["/length", "/chunk", "/reset", "/nothing"] {
                let recorder = await loop.begin(request(server.url + path))
                #expect(await recorder.waitForEnd() == .failed(.cut), "\(path)")
            }
        }
    }

    // MARK: Failures

    @Test func aRefusedConnectionIsToldAtOnce() async throws {
        defer { group.shutDown() }
        let recorder = await loop.begin(request("http://127.0.0.1:\(LoopbackServer.freePort())/"))
        #expect(await recorder.waitForEnd() == .failed(.couldNotConnect))
    }

    @Test func whatIsNoHTTPIsSaidToBeNone() async throws {
        try await with { peer in
            _ = peer.readRequest()
            peer.send("SSH-2.0-OpenSSH\r\n")
        } _: { server in
            let recorder = await loop.begin(request(server.url))
            guard case .failed(.notHTTP)? = await recorder.waitForEnd() else {
                Issue.record("\(String(describing: recorder.now.end))")
                return
            }
        }
    }

    @Test func fieldsWithoutEndAreRefused() async throws {
        try await with { peer in
            _ = peer.readRequest()
            peer.send("HTTP/1.1 200 OK\r\n")
            for number in 0..<2000 { peer.send("x-\(number): \(String(repeating: "a", count: 60))\r\n") }
            peer.send("\r\n")
        } _: { server in
            let recorder = await loop.begin(request(server.url))
            guard case .failed(.notHTTP)? = await recorder.waitForEnd() else {
                Issue.record("\(String(describing: recorder.now.end))")
                return
            }
        }
    }

    @Test func aServerWithoutTLSIsATLSError() async throws {
        try await with { peer in
            peer.send("HTTP/1.1 400 Bad Request\r\n\r\n")
            _ = peer.waitForClose()
        } _: { server in
            let recorder = await loop.begin(request("https://127.0.0.1:\(server.port)/"))
            guard case .failed(.tls)? = await recorder.waitForEnd() else {
                Issue.record("\(String(describing: recorder.now.end))")
                return
            }
        }
    }

    @Test(arguments: ["", "nonsense", "ftp://127.0.0.1/", "http://", "http://127.0.0.1:99999/", "file:///etc/passwd"])
    func aBadURLIsAnErrorAndNoCrash(_ url: String) async throws {
        defer { group.shutDown() }
        let recorder = await loop.begin(request(url))
        guard case .failed? = await recorder.waitForEnd() else {
            Issue.record("\(String(describing: recorder.now.end))")
            return
        }
    }

    // MARK: Silence

    @Test(arguments: [false, true])
    func silenceEndsATransfer(_ afterTheFirstPiece: Bool) async throws {
        try await with { peer in
            _ = peer.readRequest()
            if afterTheFirstPiece {
                peer.sendStreamHead()
                peer.sendChunk("one")
            }
            _ = peer.waitForClose()
        } _: { server in
            let recorder = await loop.begin(request(server.url, silence: .milliseconds(300)))
            #expect(await recorder.waitForEnd() == .failed(.silence(.milliseconds(300))))
            let took = recorder.now.endedAt - recorder.now.startedAt
            #expect(took >= .milliseconds(295))
        }
    }

    @Test func aSlowStreamIsNoSilence() async throws {
        try await with { peer in
            _ = peer.readRequest()
            peer.sendStreamHead()
            for _ in 0..<8 {
                peer.sendChunk("x")
                usleepBriefly(milliseconds: 100)
            }
            peer.send("0\r\n\r\n")
        } _: { server in
            let recorder = await loop.begin(request(server.url, silence: .milliseconds(400)))
            #expect(await recorder.waitForEnd() == .finished(status: 200))
            #expect(recorder.now.body == "xxxxxxxx")
        }
    }

    @Test func bytesThatDoNotCountAreSilence() async throws {
        try await with { peer in
            _ = peer.readRequest()
            peer.sendStreamHead()
            for _ in 0..<200 where !peer.isClosed {
                peer.sendChunk("x")
                usleepBriefly(milliseconds: 50)
            }
        } _: { server in
            // What comes of the first pieces is noted, what comes later is not.
            let recorder = await loop.begin(request(server.url, silence: .milliseconds(400))) { transfer in
                transfer.endsSilenceWithBytes = false
            }
            #expect(await recorder.waitForEnd() == .failed(.silence(.milliseconds(400))))
        }
    }

    @Test func theWholeMayTakeNoLongerThanItsTimeout() async throws {
        try await with { peer in
            _ = peer.readRequest()
            _ = peer.waitForClose()
        } _: { server in
            var slow = request(server.url)
            slow.totalTimeout = .milliseconds(200)
            let recorder = await loop.begin(slow)
            #expect(await recorder.waitForEnd() == .failed(.timedOut))
        }
    }

    @Test func theEndOfTheLoopEndsItsTransfers() async throws {
        let server = LoopbackServer { peer in
            _ = peer.readRequest()
            _ = peer.waitForClose()
        }
        defer { server.stop() }
        let recorder = await loop.begin(request(server.url))
        _ = await recorder.wait(seconds: 0.05) { _ in false }
        group.shutDown()
        #expect(recorder.now.end == .failed(.loopStopped))
    }
}

func usleepBriefly(milliseconds: UInt32 = 20) {
    usleep(milliseconds * 1000)
}

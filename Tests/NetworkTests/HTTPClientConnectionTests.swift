import Foundation
import Glibc
import HTTP
import Logging
import LoopbackServer
import Network
import Testing

/// Which connection a transfer goes over, where that is not the client's to choose.
@Suite struct HTTPClientConnectionTests {
    private let group: EventLoopGroup
    private var loop: EventLoop { group.loops[0] }

    init() throws { group = try EventLoopGroup(count: 1, logger: Logger(label: "test")) }

    private func request(_ url: String, shares: Bool) -> HTTPClientRequest {
        var request = HTTPClientRequest(url: url)
        request.sharesConnections = shares
        return request
    }

    @Test func aConnectionOfItsOwnIsNeitherTakenFromThePoolNorGivenToIt() async throws {
        let server = LoopbackServer { peer in while peer.readRequest() != nil { peer.respond("ok") } }
        defer {
            server.stop()
            group.shutDown()
        }
        for (shares, count) in [(true, 1), (false, 2), (false, 3), (true, 3)] {
            let recorder = await loop.begin(request(server.url, shares: shares))
            #expect(await recorder.waitForEnd() == .finished(status: 200))
            #expect(server.connectionCount == count)
        }
    }

    @Test func aTransferOnItsOwnConnectionIsNotRepeated() async throws {
        let server = LoopbackServer { peer in
            _ = peer.readRequest()
            peer.reset()
        }
        defer {
            server.stop()
            group.shutDown()
        }
        let recorder = await loop.begin(request(server.url, shares: false))
        #expect(await recorder.waitForEnd() == .failed(.cut))
        #expect(server.connectionCount == 1)
    }

    @Test(arguments: ["https", "http"])
    func connectingIsLimitedWithItsHandshake(_ scheme: String) async throws {
        let server = LoopbackServer { peer in _ = peer.waitForClose() }
        defer {
            server.stop()
            group.shutDown()
        }
        var request = HTTPClientRequest(url: server.url.replacingOccurrences(of: "http:", with: scheme + ":"))
        request.connectTimeout = .milliseconds(200)
        request.silenceTimeout = .milliseconds(600)
        let recorder = await loop.begin(request)
        // Without a handshake the connection is made at once, and only the answer is missing.
        let end: HTTPTransferError = scheme == "https" ? .connectTimedOut : .silence(.milliseconds(600))
        #expect(await recorder.waitForEnd() == .failed(end))
        #expect(recorder.now.endedAt - recorder.now.startedAt >= .milliseconds(195))
    }

    @Test func anAnswerMayTakeLongerThanConnecting() async throws {
        let server = LoopbackServer { peer in
            while peer.readRequest() != nil {
                usleep(300_000)
                peer.respond("ok")
            }
        }
        defer {
            server.stop()
            group.shutDown()
        }
        // The second one over the connection of the first.
        for _ in 0..<2 {
            var request = request(server.url, shares: true)
            request.connectTimeout = .milliseconds(100)
            #expect(await loop.begin(request).waitForEnd() == .finished(status: 200))
        }
        #expect(server.connectionCount == 1)
    }

    @Test func aUnixSocketStandsForHostAndPort() async throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("client-\(UUID())").path
        let listener = try Self.listen(on: path)
        defer {
            unlink(path)
            group.shutDown()
        }
        Thread.detachNewThread {
            let descriptor = accept(listener, nil, nil)
            var buffer = [UInt8](repeating: 0, count: 4096)
            let count = max(0, recv(descriptor, &buffer, buffer.count, 0))
            let head = String(decoding: buffer[..<count], as: UTF8.self)
            let body = head.contains("Host: localhost\r\n") && head.hasPrefix("GET /x HTTP/1.1\r\n") ? "right" : "wrong"
            let answer = Array("HTTP/1.1 200 OK\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)".utf8)
            _ = send(descriptor, answer, answer.count, Int32(MSG_NOSIGNAL))
            close(descriptor)
            close(listener)
        }
        var request = request("http://localhost/x", shares: false)
        request.unixSocketPath = path
        let recorder = await loop.begin(request)
        #expect(await recorder.waitForEnd() == .finished(status: 200))
        #expect(recorder.now.body == "right")
    }

    private static func listen(on path: String) throws -> Int32 {
        let listener = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
        let code = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        try #require(code == 0 && Glibc.listen(listener, 1) == 0)
        return listener
    }

    @Test func anAuthoritiesFileThatIsNotThereFailsTheTransfer() async throws {
        let server = LoopbackServer { $0.waitForClose() }
        defer {
            server.stop()
            group.shutDown()
        }
        var request = request(server.url.replacing("http:", with: "https:"), shares: false)
        request.authorities = "/nonexistent/authorities.pem"
        let recorder = await loop.begin(request)
        guard case .failed(.tls) = await recorder.waitForEnd() else {
            Issue.record("\(String(describing: recorder.now.end))")
            return
        }
    }
}

import Logging
import LoopbackServer
import Network
import Testing

@Suite struct HTTPFetchTests {
    /// 105,000 blanks by gzip, and a wrong checksum behind them: more than one step unpacks.
    private static let wrongChecksum: [UInt8] =
        [
            0x1F, 0x8B, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xED, 0xC1, 0x81, 0x00, 0x00, 0x00, 0x00, 0xC3, 0x20, 0x95,
            0xF9, 0x53, 0x1E, 0xE4, 0x55, 0x01,
        ] + [UInt8](repeating: 0, count: 100) + [0xC0, 0xAF, 0x01, 0x00, 0x00, 0x00, 0x00, 0x28, 0x9A, 0x01, 0x00]
    /// The beginning of a gzip body whose every further octet is a thousand blanks, small enough to come in one read.
    private static let bomb: [UInt8] =
        [
            0x1F, 0x8B, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xEC, 0xC1, 0x81, 0x00, 0x00, 0x00, 0x00, 0x80, 0x20, 0x95,
            0xFD, 0x29, 0x17, 0xA9, 0x0A,
        ] + [UInt8](repeating: 0, count: 6000)

    @Test(arguments: [("checksum", wrongChecksum), ("size", bomb)])
    func aBodyThatCannotBeUnpackedEndsItsTransfer(_ fault: String, _ body: [UInt8]) async throws {
        let server = UpstreamServer { peer, _ in
            let head = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: \(body.count)\r\n\r\n"
            peer.send(Array(head.utf8) + body)
        }
        let group = try EventLoopGroup(count: 1, logger: Logger(label: "test"))
        var request = HTTPClientRequest(url: "\(server.url)/models")
        request.unpacksBody = true
        request.silenceTimeout = .seconds(600)
        let began = ContinuousClock.now
        let result = await HTTPFetch.response(to: request, on: group.loops[0])
        #expect(ContinuousClock.now - began < .seconds(300), "it does not wait for a silence")
        guard case .failure(.notHTTP) = result else {
            Issue.record("\(fault): \(result)")
            return
        }
        server.stop()
        group.shutDown()
    }

    @Test func aCancelledTaskCancelsTheRequest() async throws {
        let server = UpstreamServer { peer, _ in peer.waitForClose() }
        let group = try EventLoopGroup(count: 1, logger: Logger(label: "test"))
        let request = HTTPClientRequest(url: "\(server.url)/models")
        let task = Task { await HTTPFetch.response(to: request, on: group.loops[0]) }
        while server.requests.isEmpty { try await Task.sleep(for: .milliseconds(1)) }
        task.cancel()
        guard case .failure(.cut) = await task.value else {
            Issue.record("it was not cut")
            return
        }
        server.stop()
        group.shutDown()
    }
}

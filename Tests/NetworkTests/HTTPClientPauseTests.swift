import Logging
import LoopbackServer
import Network
import Testing

/// A paused transfer delivers nothing more, whatever has come already, and its end waits behind it.
@Suite struct HTTPClientPauseTests {
    private let group: EventLoopGroup
    private var loop: EventLoop { group.loops[0] }
    private static let body = String(repeating: "0123456789abcdef", count: 1 << 14)

    init() throws {
        group = try EventLoopGroup(count: 1, logger: Logger(label: "test"))
    }

    /// One that says 256 KiB at once and then ends.
    private func server() -> LoopbackServer {
        LoopbackServer { peer in
            while peer.readRequest() != nil {
                peer.sendStreamHead()
                peer.sendChunk(Self.body)
                peer.send("0\r\n\r\n")
            }
        }
    }

    @Test func nothingComesWhilePausedAndNothingIsLost() async throws {
        let server = server()
        defer {
            server.stop()
            group.shutDown()
        }
        let recorder = await loop.begin(HTTPClientRequest(url: server.url), onPiece: { $0.pause() })
        var seen = 0
        while seen < Self.body.utf8.count {
            let now = await recorder.wait { $0.body.utf8.count > seen }
            let grown = now.body.utf8.count - seen
            #expect(grown > 0 && grown <= 16 << 10, "\(grown) bytes after one pause")
            guard grown > 0 else { return }
            seen = now.body.utf8.count
            if seen < Self.body.utf8.count { #expect(now.end == nil) }
            // Whatever else has come, it stays where it is.
            try await Task.sleep(for: .milliseconds(1))
            #expect(recorder.now.body.utf8.count == seen)
            await recorder.onLoop { $0.resume() }
        }
        #expect(await recorder.waitForEnd() == .finished(status: 200))
        #expect(recorder.now.body == Self.body)
        #expect(recorder.now.endCount == 1)
    }

    @Test func aCancelWhilePausedIsTheLastWord() async throws {
        let server = server()
        defer {
            server.stop()
            group.shutDown()
        }
        let recorder = await loop.begin(HTTPClientRequest(url: server.url), onPiece: { $0.pause() })
        _ = await recorder.wait { $0.pieceCount == 1 }
        await recorder.onLoop {
            $0.resume()
            $0.stop()
        }
        try await Task.sleep(for: .milliseconds(20))
        #expect(recorder.now.callsAfterCancel == 0)
        #expect(recorder.now.end == nil)
    }
}

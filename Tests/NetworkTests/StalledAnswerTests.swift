import Bytes
import Glibc
import Testing

@testable import Network

/// Clients that do not read what they asked for. The server looks in each turn, and the test takes the turns.
@Suite struct StalledAnswerTests {
    private struct Asked {
        let drive: LoopDrive
        let handler = TestHandler()
        let connection: HTTPConnection
        let far: Int32
        private var buffer = [UInt8](repeating: 0, count: 1 << 20)

        /// Asks, and reads nothing; the server's first look is taken.
        init(for path: String) throws {
            drive = try LoopDrive()
            let (near, far) = try LoopDrive.pair()
            self.far = far
            var deadlines = HTTPServer.Deadlines()
            deadlines.stall = .zero
            let server = HTTPServer(deadlines: deadlines, handler: handler)
            connection = HTTPConnection(loop: drive.loop, descriptor: near, server: server, peer: nil, isUnix: true)
            try connection.start()
            let request = Array("GET \(path) HTTP/1.1\r\nHost: t\r\n\r\n".utf8)
            _ = send(far, request, request.count, Int32(MSG_NOSIGNAL))
            let connection = connection
            #expect(drive.turns(atMost: 100) { connection.isBlocked } != nil)
            connection.timerFired()
        }

        /// Takes what is there; 0 at the end.
        mutating func read() -> Int { recv(far, &buffer, buffer.count, Int32(MSG_DONTWAIT)) }
    }

    @Test func whoTakesNothingOfAnAnswerIsReset() throws {
        var asked = try Asked(for: "/flood")
        let connection = asked.connection
        #expect(connection.isOpen)
        #expect(asked.drive.turns(atMost: 1000) { !connection.isOpen } != nil)
        #expect(asked.handler.journal.all == ["request /flood", "disconnect /flood"])
        #expect(connection.output.capacity == 0)
        var byteCount = 0
        while case let count = asked.read(), count > 0 { byteCount += count }
        #expect(byteCount < 16 << 20)
        close(asked.far)
    }

    @Test func whoTakesSomeInTimeGetsAll() throws {
        var asked = try Asked(for: "/flood")
        var byteCount = 0
        while byteCount < 16 << 20, case let count = asked.read(), count > 0 {
            byteCount += count
            asked.drive.loop.turnOnce()
        }
        #expect(byteCount > 16 << 20 && asked.connection.isOpen)
        close(asked.far)
    }

    @Test func whoTakesNothingOfAStreamOfEventsIsResetToo() throws {
        let asked = try Asked(for: "/flood-events")
        let connection = asked.connection
        #expect(asked.drive.turns(atMost: 1000) { !connection.isOpen } != nil)
        #expect(asked.handler.journal.all == ["request /flood-events", "disconnect /flood-events"])
        close(asked.far)
    }

    @Test func aLongEventBehindAnotherIsCopiedAsTheClientReadsItToo() throws {
        var asked = try Asked(for: "/long-events")
        var (byteCount, peakByteCount) = (0, 0)
        let isWhole = asked.drive.turns(atMost: 10_000) {
            peakByteCount = max(peakByteCount, asked.connection.output.count)
            byteCount += max(0, asked.read())
            return byteCount > 8 << 20
        }
        #expect(isWhole != nil)
        #expect(peakByteCount <= 2 * Connection.congestionByteCount, "\(peakByteCount) bytes at once")
        close(asked.far)
    }
}

import Bytes
import Glibc
import Testing

@testable import Network
@testable import WebSocket

/// Long messages leave as fast as the peer reads them, and all else keeps its order.
@Suite struct LongMessageTests {
    private final class Socket: WebSocketConnection {
        var drains = 0
        override func drained() { drains += 1 }

        func send(_ text: [UInt8]) { text.withUnsafeBytes { send(.text, $0) } }
    }

    /// Both ends of a WebSocket in one thread.
    private final class Line {
        let drive: LoopDrive
        let socket: Socket
        private let far: Int32
        private var peer: WebSocketEndpoint
        private var buffer = [UInt8](repeating: 0, count: 32 << 10)
        /// What the peer got.
        private(set) var events: [String] = []
        private(set) var texts: [[UInt8]] = []
        /// The most that the server's connection had to send at once.
        private(set) var peakByteCount = 0

        init() throws {
            drive = try LoopDrive()
            let (near, far) = try LoopDrive.pair()
            self.far = far
            let connection = Connection(loop: drive.loop, descriptor: near)
            try connection.start()
            socket = Socket(WebSocketTransport(connection: connection, role: .server, limits: WebSocketLimits()))
            var limits = WebSocketLimits()
            limits.maxMessageBytes = 32 << 20
            peer = WebSocketEndpoint(role: .client, limits: limits)
        }

        deinit { close(far) }

        func ping() {
            var frame = ByteBuffer()
            try? peer.ping(UnsafeRawBufferPointer(start: nil, count: 0), into: &frame)
            _ = frame.bytes.withMemoryRebound(to: UInt8.self) { Glibc.send(far, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
        }

        /// An iteration of the loop, and a read of the peer.
        func turn() {
            drive.loop.turnOnce()
            peakByteCount = max(peakByteCount, socket.output.count)
            let count = recv(far, &buffer, buffer.count, Int32(MSG_DONTWAIT))
            guard count > 0 else { return }
            var answer = ByteBuffer()
            buffer.withUnsafeMutableBytes { bytes in
                var input = UnsafeMutableRawBufferPointer(rebasing: bytes[..<count])
                while let event = peer.next(&input, output: &answer) {
                    switch event {
                    case .text(let text):
                        texts.append([UInt8](text))
                        events.append("text of \(text.count) bytes")
                    case .pong: events.append("pong")
                    case .closed(let end): events.append("closed \(end.code.rawValue)")
                    default: break
                    }
                }
            }
        }

        func turns(until isDone: () -> Bool) -> Bool {
            for _ in 0..<10_000 {
                if isDone() { return true }
                turn()
            }
            return false
        }
    }

    private func text(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(ascii: "a") + UInt8($0 % 23) } }

    @Test func aLongMessageIsCopiedAsThePeerReadsIt() throws {
        let line = try Line()
        let long = text(10 << 20)
        line.socket.send(long)
        #expect(line.socket.isCongested)
        #expect(line.turns { !line.texts.isEmpty })
        #expect(line.texts == [long])
        #expect(line.peakByteCount <= 2 * Connection.congestionByteCount, "\(line.peakByteCount) bytes at once")
        #expect(line.turns { !line.socket.isCongested && line.socket.drains > 0 })
    }

    @Test func whatFollowsALongMessageComesAfterIt() throws {
        let line = try Line()
        let messages = [text(1 << 20), text(1), text(600 << 10), text(70 << 10), text(2)]
        for message in messages { line.socket.send(message) }
        line.socket.close(.goingAway)
        #expect(!line.socket.isOpen)
        #expect(line.turns { line.events.last == "closed 1001" })
        #expect(line.texts == messages)
    }

    @Test func aPingIsAnsweredWithinALongMessage() throws {
        let line = try Line()
        line.socket.send(text(10 << 20))
        line.turn()
        line.ping()
        #expect(line.turns { line.events.count == 2 })
        #expect(line.events == ["pong", "text of \(10 << 20) bytes"])
    }

    @Test func aLongMessageInTwoPartsIsOneMessage() throws {
        let line = try Line()
        let (payload, suffix) = (text(1 << 20), text(9))
        payload.withUnsafeBytes { payload in suffix.withUnsafeBytes { line.socket.sendText(payload, suffix: $0) } }
        #expect(line.turns { !line.texts.isEmpty })
        #expect(line.texts == [payload + suffix])
    }
}

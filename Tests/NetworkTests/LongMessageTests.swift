import Bytes
import Glibc
import Testing

@testable import Network
@testable import WebSocket

/// Long messages leave as fast as the peer reads them, and all else keeps its order.
@Suite struct LongMessageTests {
    private final class Socket: WebSocketConnection {
        var drains = 0
        var received: [String] = []
        var ends: [String] = []
        override func drained() { drains += 1 }
        override func receivedText(_ text: UnsafeRawBufferPointer) { received.append(String(decoding: text, as: UTF8.self)) }
        override func closed(_ end: ConnectionClosed) { ends.append("\(end.code.rawValue) \(end.wasClean)") }

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
        private(set) var firstByte: UInt8?
        private(set) var receivedByteCount = 0
        /// Whether the peer reads all there is in each turn.
        var readsFast = false

        init(extensions: NegotiatedExtensions = .none) throws {
            drive = try LoopDrive()
            let (near, far) = try LoopDrive.pair()
            self.far = far
            let connection = Connection(loop: drive.loop, descriptor: near)
            try connection.start()
            socket = Socket(
                WebSocketTransport(connection: connection, role: .server, limits: WebSocketLimits(), extensions: extensions))
            var limits = WebSocketLimits()
            limits.maxMessageBytes = 32 << 20
            peer = WebSocketEndpoint(role: .client, limits: limits)
        }

        deinit { close(far) }

        func ping() {
            var frame = ByteBuffer()
            try? peer.ping(UnsafeRawBufferPointer(start: nil, count: 0), into: &frame)
            put(frame)
        }

        func say(_ text: String) {
            var frame = ByteBuffer()
            Array(text.utf8).withUnsafeBytes { try? peer.send(.text, $0, into: &frame) }
            put(frame)
        }

        /// The peer's close frame.
        func leave() {
            var frame = ByteBuffer()
            peer.close(.normal, into: &frame)
            put(frame)
        }

        func shutDownWriting() { shutdown(far, Int32(SHUT_WR)) }

        private func put(_ frame: borrowing ByteBuffer) {
            if frame.isEmpty { return }
            _ = frame.bytes.withMemoryRebound(to: UInt8.self) { Glibc.send(far, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
        }

        /// An iteration of the loop, and a read of the peer.
        func turn() {
            drive.loop.turnOnce()
            peakByteCount = max(peakByteCount, socket.output.count)
            while read(), readsFast {}
        }

        /// - Returns: whether there was something.
        private func read() -> Bool {
            let count = recv(far, &buffer, buffer.count, Int32(MSG_DONTWAIT))
            guard count > 0 else { return false }
            if firstByte == nil { firstByte = buffer[0] }
            receivedByteCount += count
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
            put(answer)
            return true
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

    @Test func aShortRestIsFollowedByTheNextLongMessage() throws {
        let line = try Line()
        line.readsFast = true
        let messages = [text(300 << 10), text(300 << 10), text(1)]
        for message in messages { line.socket.send(message) }
        #expect(line.turns { line.texts.count == 3 })
        #expect(line.texts == messages)
        #expect(line.turns { line.socket.drains > 0 })
    }

    @Test func aLongMessageIsNotCompressed() throws {
        let offer = try #require(ExtensionOffer.parse(["permessage-deflate"]))
        let line = try Line(extensions: NegotiatedExtensions(deflate: DeflateOptions().accept(offer)?.agreement))
        let long = text(1 << 20)
        line.socket.send(long)
        #expect(line.turns { !line.texts.isEmpty })
        #expect(line.firstByte == 0x01)
        #expect(line.texts == [long])
    }

    @Test func aCloseBehindALongMessageIsCleanThoughThePeerHasPinged() throws {
        let line = try Line()
        line.socket.send(text(1 << 20))
        line.turn()
        line.ping()
        line.socket.close(.goingAway)
        #expect(line.turns { !line.socket.ends.isEmpty })
        #expect(line.events == ["pong", "text of \(1 << 20) bytes", "closed 1001"])
        #expect(line.socket.ends == ["1001 true"])
    }

    @Test func allThatComesWithinALongMessageIsProcessed() throws {
        let line = try Line()
        line.socket.send(text(10 << 20))
        line.turn()
        for count in 1...2 {
            line.ping()
            #expect(line.turns { line.events.count == count })
        }
        line.say("stop")
        #expect(line.turns { !line.socket.received.isEmpty })
        #expect(line.events == ["pong", "pong"])
        #expect(line.turns { line.events.count == 3 })
        #expect(line.socket.received == ["stop"])
    }

    @Test func aPeerThatOnlyPingsGetsALongMessageInTheSameMemory() throws {
        let line = try Line()
        line.socket.send(text(4 << 20))
        #expect(
            line.turns {
                for _ in 0..<20 { line.ping() }
                return !line.texts.isEmpty
            })
        #expect(line.peakByteCount <= 2 * Connection.congestionByteCount, "\(line.peakByteCount) bytes at once")
    }

    @Test func messagesAreDiscardedOnceACloseIsDue() throws {
        let line = try Line()
        line.socket.send(text(1 << 20))
        line.turn()
        line.socket.close(.goingAway)
        line.say("late")
        #expect(line.turns { !line.socket.ends.isEmpty })
        #expect(line.socket.received.isEmpty)
    }

    @Test func aPeerThatHalfClosesGetsTheWholeMessage() throws {
        let line = try Line()
        let long = text(4 << 20)
        line.socket.send(long)
        line.turn()
        line.shutDownWriting()
        #expect(line.turns { !line.texts.isEmpty })
        #expect(line.texts == [long])
        #expect(line.turns { line.socket.ends == ["1006 false"] })
    }

    @Test func thePeersCloseIsAnsweredBehindTheLongMessage() throws {
        let line = try Line()
        line.socket.send(text(4 << 20))
        line.turn()
        line.leave()
        #expect(line.turns { line.events == ["closed 1000"] })
        #expect(line.receivedByteCount > 4 << 20)
        #expect(line.socket.ends == ["1000 true"])
    }
}

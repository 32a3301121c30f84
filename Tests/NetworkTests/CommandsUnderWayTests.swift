import Bytes
import Glibc
import Logging
import Testing

@testable import Network
@testable import WebSocket

/// A command that takes more than one iteration is done and answered, whatever its sender sends behind it.
@Suite struct CommandsUnderWayTests {
    private final class Socket: WebSocketConnection {
        var received: [String] = []
        var done: [String] = []
        var ends: [String] = []
        /// Ends the oldest command under way, which answers.
        var continuations: [() -> Void] = []

        override func receivedText(_ text: UnsafeRawBufferPointer) {
            let word = String(decoding: text, as: UTF8.self)
            received.append(word)
            if word.hasPrefix("pause") { pauseMessages() }
            begin(word, steps: word.hasPrefix("two steps") ? 2 : 1)
        }

        private func begin(_ word: String, steps: Int) {
            let step = delayingEnd { [self] (_: Void) in
                if steps > 1 { return begin(word, steps: steps - 1) }
                if word.hasPrefix("pause") { resumeMessages() }
                if hasEnded { return }
                done.append(word)
                sendText { $0.append("done: \(word)") }
            }
            continuations.append { step(()) }
        }

        /// Delays the end until something is sent that answers no command, or until our close begins.
        func delayEndForEvent() {
            let step = delayingEnd { (_: Void) in }
            event = { step(()) }
        }

        private var event: (() -> Void)?

        override func closing() { event?() }

        override func closed(_ end: ConnectionClosed) { ends.append("\(end.code.rawValue) \(end.wasClean)") }
    }

    /// Both ends of a WebSocket in one thread, under a clock that the test moves.
    private final class Line {
        let clock = LoopClock.manual()
        let loop: EventLoop
        let socket: Socket
        private var far: Int32
        private var peer = WebSocketEndpoint(role: .client, limits: WebSocketLimits())
        private var buffer = [UInt8](repeating: 0, count: 32 << 10)
        /// What the peer received.
        private(set) var events: [String] = []

        init() throws {
            loop = try EventLoop(index: 0, clock: clock, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
            let (near, far) = try LoopDrive.pair()
            self.far = far
            let connection = Connection(loop: loop, descriptor: near)
            try connection.start()
            socket = Socket(WebSocketTransport(connection: connection, role: .server, limits: WebSocketLimits()))
        }

        deinit {
            vanish()
            loop.end()
        }

        func say(_ words: String..., thenLeave leaves: Bool = false) {
            var frames = ByteBuffer()
            for word in words { Array(word.utf8).withUnsafeBytes { try? peer.send(.text, $0, into: &frames) } }
            // Not by the endpoint, which would discard what it receives from then on.
            if leaves { frames.append([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xE8]) }
            put(frames)
        }

        func shutDownWriting() { shutdown(far, Int32(SHUT_WR)) }

        /// Closes the peer's socket.
        func vanish() {
            if far >= 0 { Glibc.close(far) }
            far = -1
        }

        private func put(_ bytes: borrowing ByteBuffer) {
            if bytes.isEmpty { return }
            _ = bytes.bytes.withMemoryRebound(to: UInt8.self) { Glibc.send(far, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
        }

        /// Ends the oldest command under way.
        func endCommand() { loop.enter { socket.continuations.removeFirst()() } }

        func close(_ code: CloseCode) { loop.enter { socket.close(code) } }

        func closeAtOnce(_ code: CloseCode) { loop.enter { socket.closeAtOnce(code) } }

        /// Iterations until nothing is left to do.
        func settle() {
            for _ in 0..<20 {
                loop.turnOnce()
                while far >= 0, read() {}
            }
        }

        private func read() -> Bool {
            let count = recv(far, &buffer, buffer.count, Int32(MSG_DONTWAIT))
            guard count > 0 else { return false }
            var answer = ByteBuffer()
            buffer.withUnsafeMutableBytes { bytes in
                var input = UnsafeMutableRawBufferPointer(rebasing: bytes[..<count])
                while let event = peer.next(&input, output: &answer) {
                    switch event {
                    case .text(let text): events.append(String(decoding: text, as: UTF8.self))
                    case .closed(let end): events.append("closed \(end.code.rawValue)")
                    default: break
                    }
                }
            }
            put(answer)
            return true
        }
    }

    @Test func theAnswerPrecedesTheReplyToACloseFrame() throws {
        let line = try Line()
        line.say("a", thenLeave: true)
        line.shutDownWriting()
        line.settle()
        #expect(line.socket.received == ["a"])
        #expect(line.socket.isOpen && line.socket.hasCommandsUnderWay && line.socket.ends.isEmpty)
        line.endCommand()
        line.settle()
        #expect(line.events == ["done: a", "closed 1000"])
        #expect(line.socket.ends == ["1000 true"] && line.socket.hasEnded)
    }

    @Test func theAnswerIsSentThoughTheInputHasEnded() throws {
        let line = try Line()
        line.say("a")
        line.shutDownWriting()
        line.settle()
        #expect(line.socket.isOpen)
        line.endCommand()
        line.settle()
        #expect(line.events == ["done: a"])
        #expect(line.socket.ends == ["1006 false"])
    }

    @Test func theEndWaitsForEveryCommandAndEachOfTheirSteps() throws {
        let line = try Line()
        line.say("two steps", "b", thenLeave: true)
        line.settle()
        for _ in 0..<2 {
            line.endCommand()
            line.settle()
            #expect(line.socket.isOpen)
        }
        line.endCommand()
        line.settle()
        #expect(line.events == ["done: b", "done: two steps", "closed 1000"])
    }

    @Test func ourCloseFollowsTheAnswersAndDiscardsWhatComesLater() throws {
        let line = try Line()
        line.say("a")
        line.settle()
        line.close(.serviceRestart)
        line.close(.goingAway)
        line.say("late")
        line.settle()
        #expect(line.events.isEmpty && line.socket.ends.isEmpty)
        line.endCommand()
        line.settle()
        #expect(line.events == ["done: a", "closed 1012"])
        #expect(line.socket.received == ["a"])
        #expect(line.socket.ends == ["1012 true"])
    }

    @Test func aCloseThatWaitsHasBegun() throws {
        let line = try Line()
        line.say("a")
        line.settle()
        #expect(!line.socket.isClosing)
        line.close(.policyViolation)
        #expect(line.socket.isClosing && line.socket.isOpen)
        line.endCommand()
        line.settle()
        #expect(line.socket.isClosing && !line.socket.isOpen)
    }

    @Test func ourCloseWaitsForAnswersAndNotForEvents() throws {
        let line = try Line()
        line.say("a")
        line.settle()
        line.loop.enter { line.socket.delayEndForEvent() }
        line.close(.policyViolation)
        line.endCommand()
        line.settle()
        #expect(line.events == ["done: a", "closed 1008"])
    }

    @Test(arguments: [false, true])
    func aCloseAtOnceDoesNotWait(behindOneThatWaits waits: Bool) throws {
        let line = try Line()
        line.say("a")
        line.settle()
        if waits { line.close(.policyViolation) }
        line.closeAtOnce(.serviceRestart)
        line.settle()
        #expect(line.events == [waits ? "closed 1008" : "closed 1012"])
        line.endCommand()
        line.settle()
        #expect(line.events.count == 1 && line.socket.ends.count == 1)
    }

    @Test func aCommandIsDoneThoughItsSenderIsGone() throws {
        let line = try Line()
        line.say("a")
        line.settle()
        line.vanish()
        line.settle()
        #expect(line.socket.ends.isEmpty, "the face is told behind its commands")
        line.endCommand()
        #expect(line.socket.done == ["a"])
        #expect(line.socket.ends == ["1006 false"])
    }

    @Test(arguments: ["close frame", "end of input", "close of ours", "reset"])
    func theWaitHasADeadline(end: String) throws {
        let line = try Line()
        line.say("a")
        line.settle()
        switch end {
        case "close frame": line.say(thenLeave: true)
        case "end of input": line.shutDownWriting()
        case "close of ours": line.close(.goingAway)
        default: line.vanish()
        }
        line.settle()
        line.clock.advance(by: WebSocketConnection.closeTimeout - .milliseconds(1))
        line.settle()
        #expect(line.socket.ends.isEmpty)
        line.clock.advance(by: .milliseconds(1))
        line.settle()
        #expect(line.socket.ends.count == 1 && line.socket.hasEnded)
        line.endCommand()
        #expect(line.socket.done.isEmpty && line.socket.ends.count == 1 && line.socket.hasEnded)
    }

    @Test func messagesBehindAPauseAreReadBeforeTheEnd() throws {
        let line = try Line()
        line.say("pause", "a", thenLeave: true)
        line.shutDownWriting()
        line.settle()
        #expect(line.socket.received == ["pause"])
        line.endCommand()
        line.settle()
        #expect(line.socket.received == ["pause", "a"])
        line.endCommand()
        line.settle()
        #expect(line.events == ["done: pause", "done: a", "closed 1000"])
    }
}

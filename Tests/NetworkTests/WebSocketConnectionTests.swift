import Bytes
import Glibc
import LoopbackServer
import Network
import Synchronization
import Testing

@testable import WebSocket

extension Loopback.WebSocketConnectionTests {
    private static let key: [UInt8] = [0x12, 0x34, 0x56, 0x78]

    /// A masked frame of less than 64 KiB.
    private func frame(_ opcode: UInt8, _ payload: [UInt8], isFinal: Bool = true, isMasked: Bool = true) -> [UInt8] {
        var bytes: [UInt8] = [opcode | (isFinal ? 0x80 : 0)]
        let mask: UInt8 = isMasked ? 0x80 : 0
        if payload.count < 126 {
            bytes.append(mask | UInt8(payload.count))
        } else {
            bytes += [mask | 126, UInt8(payload.count >> 8), UInt8(payload.count & 0xFF)]
        }
        if !isMasked { return bytes + payload }
        bytes += Self.key
        return bytes + payload.enumerated().map { $1 ^ Self.key[$0 % 4] }
    }

    private func text(_ text: String) -> [UInt8] { frame(1, Array(text.utf8)) }

    private func request(_ path: String, fields: String = "") -> [UInt8] {
        Array(
            """
            GET \(path) HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r
            Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\(fields)\r\n
            """.utf8)
    }

    private func expectUpgrade(_ socket: RawSocket) throws {
        let head = try socket.receive(through: "\r\n\r\n")
        #expect(head.hasPrefix("HTTP/1.1 101 "))
        #expect(head.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"))
    }

    /// The next frame of the server: opcode and payload.
    private func receiveFrame(_ socket: RawSocket) throws -> (opcode: UInt8, payload: [UInt8]) {
        let frame = try receiveFragment(socket)
        return (frame.opcode, frame.payload)
    }

    /// The next message of the server, its fragments joined, or its next control frame.
    private func receiveMessage(_ socket: RawSocket) throws -> (opcode: UInt8, payload: [UInt8]) {
        let (opcode, first, isWhole) = try receiveFragment(socket)
        var (payload, isFinal) = (first, isWhole)
        while !isFinal {
            let next = try receiveFragment(socket)
            #expect(next.opcode == 0)
            if next.opcode != 0 { return (next.opcode, next.payload) }
            payload += next.payload
            isFinal = next.isFinal
        }
        return (opcode, payload)
    }

    private func receiveFragment(_ socket: RawSocket) throws -> (opcode: UInt8, payload: [UInt8], isFinal: Bool) {
        let head = try socket.receive(exactly: 2)
        guard head.count == 2 else { return (0xFF, [], true) }
        var length = Int(head[1])
        if length >= 126 { length = try socket.receive(exactly: length == 126 ? 2 : 8).reduce(0) { $0 << 8 | Int($1) } }
        return (head[0] & 0xF, try socket.receive(exactly: length), head[0] & 0x80 != 0)
    }

    private func open(_ server: TestServer) throws -> RawSocket {
        let socket = try server.connect()
        try socket.send(request("/ws"))
        try expectUpgrade(socket)
        return socket
    }

    @Test func messagesComeBack() async throws {
        let server = try await TestServer()
        let socket = try open(server)
        try socket.send(text("hello"))
        var (opcode, payload) = try receiveFrame(socket)
        #expect(opcode == 1 && payload == Array("hello".utf8))
        let large = (0..<40_000).map { UInt8(truncatingIfNeeded: $0) }
        try socket.send(frame(2, large))
        (opcode, payload) = try receiveFrame(socket)
        #expect(opcode == 2 && payload == large)
        try socket.send(frame(9, [1, 2]))
        (opcode, payload) = try receiveFrame(socket)
        #expect(opcode == 10 && payload == [1, 2])
    }

    private func heldBytes(_ server: TestServer) async -> Int {
        var sum = 0
        for loop in server.loops.group.loops {
            sum += await withCheckedContinuation { done in loop.execute { done.resume(returning: loop.heldInputBytes) } }
        }
        return sum
    }

    @Test func whoseMessagesArePausedIsNotReadEither() async throws {
        let server = try await TestServer()
        let socket = try open(server)
        try socket.send(text("pause"))
        #expect(await server.journal.has("paused"))
        try socket.send(frame(2, [UInt8](repeating: 7, count: 30_000)))
        // Each look takes an iteration of the loop, in which it would be read.
        for _ in 0..<5 { #expect(await heldBytes(server) == 0) }
    }

    @Test func afterAPauseMessagesComeInTheirOrder() async throws {
        let server = try await TestServer()
        let socket = try open(server)
        try socket.send(text("one") + text("resume later") + text("two"))
        try socket.send(text("three"))
        for expected in ["one", "two", "three"] {
            #expect(String(decoding: try receiveFrame(socket).payload, as: UTF8.self) == expected)
        }
    }

    @Test func whatAFaceKeepsOfItsMessagesIsHeld() async throws {
        let server = try await TestServer()
        let socket = try open(server)
        try socket.send(text("retain") + text("done"))
        _ = try receiveFrame(socket)
        #expect(await heldBytes(server) == 50_000)
        try socket.send(text("let go") + text("done"))
        _ = try receiveFrame(socket)
        #expect(await heldBytes(server) == 0)
        try socket.send(text("retain") + text("done"))
        _ = try receiveFrame(socket)
        socket.close()
        for _ in 0..<500 where await heldBytes(server) > 0 { try await Task.sleep(for: .milliseconds(10)) }
        #expect(await heldBytes(server) == 0)
    }

    @Test func aLongMessageIsHeldUntilItIsSent() async throws {
        let server = try await TestServer()
        let socket = try server.connect(receiveBufferByteCount: 4096)
        try socket.send(request("/ws"))
        try expectUpgrade(socket)
        for _ in 0..<20 { try socket.send(text("flood")) }
        for _ in 0..<500 where await heldBytes(server) < 512 << 10 { try await Task.sleep(for: .milliseconds(10)) }
        #expect(await heldBytes(server) >= 512 << 10)
        for _ in 0..<20 { #expect(try receiveMessage(socket).payload.count == 512 << 10) }
        for _ in 0..<500 where await heldBytes(server) > 0 { try await Task.sleep(for: .milliseconds(10)) }
        #expect(await heldBytes(server) == 0)
    }

    @Test func noRoomForWhatAFaceKeepsEndsTheConnection() async throws {
        let server = try await TestServer()
        let socket = try open(server)
        server.handler.room.store(-1, ordering: .relaxed)
        try socket.send(text("retain"))
        let (opcode, payload) = try receiveFrame(socket)
        #expect(opcode == 8 && payload.prefix(2) == [0x03, 0xF5])
    }

    @Test func fragmentsAreJoinedWithPingsBetween() async throws {
        let server = try await TestServer()
        let socket = try open(server)
        let bytes =
            frame(1, Array("frag".utf8), isFinal: false) + frame(9, []) + frame(0, Array("men".utf8), isFinal: false)
            + frame(0, Array("ted".utf8))
        for byte in bytes { try socket.send([byte]) }
        #expect(try receiveFrame(socket).opcode == 10)
        #expect(String(decoding: try receiveFrame(socket).payload, as: UTF8.self) == "fragmented")
    }

    @Test(arguments: ["/ws", "/later-ws"]) func whatCameWithTheRequestIsNotLost(_ path: String) async throws {
        let server = try await TestServer()
        let socket = try server.connect()
        let second = text("second")
        try socket.send(request(path) + text("first") + second.prefix(3))
        try expectUpgrade(socket)
        #expect(String(decoding: try receiveFrame(socket).payload, as: UTF8.self) == "first")
        try socket.send(Array(second.dropFirst(3)))
        #expect(String(decoding: try receiveFrame(socket).payload, as: UTF8.self) == "second")
        try socket.send(text("third"))
        #expect(String(decoding: try receiveFrame(socket).payload, as: UTF8.self) == "third")
    }

    @Test func theClientsCloseIsAnsweredAndTheServerClosesFirst() async throws {
        let server = try await TestServer()
        let socket = try open(server)
        try socket.send(frame(8, [0x03, 0xE8]) + text("never"))
        let (opcode, payload) = try receiveFrame(socket)
        #expect(opcode == 8 && payload == [0x03, 0xE8])
        #expect(try socket.receiveAll().isEmpty)
        #expect(await server.journal.has("closed 1000 true"))
        socket.close()
        try await Task.sleep(for: .milliseconds(10))
        #expect(server.journal.all.count { $0.hasPrefix("closed") } == 1)
    }

    @Test func theServersCloseWaitsForTheClients() async throws {
        let server = try await TestServer()
        let socket = try open(server)
        try socket.send(text("close"))
        let (opcode, payload) = try receiveFrame(socket)
        #expect(opcode == 8 && payload.prefix(2) == [0x03, 0xE9])
        #expect(String(decoding: payload.dropFirst(2), as: UTF8.self) == "going")
        try socket.send(text("ignored") + frame(8, [0x03, 0xE9]))
        #expect(try socket.receiveAll().isEmpty)
        #expect(await server.journal.has("closed 1001 true"))
    }

    @Test func aBadFrameIsAnswered1002AndTheConnectionHalfCloses() async throws {
        let server = try await TestServer()
        let socket = try open(server)
        try socket.send(text("before") + frame(1, Array("bare".utf8), isMasked: false) + [UInt8](repeating: 0, count: 50_000))
        #expect(String(decoding: try receiveFrame(socket).payload, as: UTF8.self) == "before")
        let (opcode, payload) = try receiveFrame(socket)
        #expect(opcode == 8 && payload.prefix(2) == [0x03, 0xEA])
        #expect(try socket.receiveAll().isEmpty)
        // Still read and dropped: the close frame was not lost to a reset.
        try socket.send(text("late"))
        #expect(await server.journal.has("closed 1006 false"))
    }

    @Test func aMessageThatIsTooLargeIsAnswered1009() async throws {
        let server = try await TestServer()
        let socket = try open(server)
        try socket.send([0x82, 0xFF, 0, 0, 0, 0, 0x10, 0, 0, 0] + Self.key)
        let (opcode, payload) = try receiveFrame(socket)
        #expect(opcode == 8 && payload.prefix(2) == [0x03, 0xF1])
    }

    @Test func aClientThatVanishesIsAnAbnormalEnd() async throws {
        let server = try await TestServer()
        let socket = try open(server)
        socket.close()
        #expect(await server.journal.has("closed 1006 false"))
        try await Task.sleep(for: .milliseconds(10))
        #expect(server.journal.count(of: "closed 1006 false") == 1)
        #expect(server.journal.count(of: "disconnect /ws") == 0)
    }

    @Test func aPeerThatCommandsAndDoesNotReadIsHeldBackAndLosesNothing() async throws {
        let server = try await TestServer()
        let socket = try server.connect(receiveBufferByteCount: 8192)
        try socket.send(request("/ws"))
        try expectUpgrade(socket)
        let count = 40
        for _ in 0..<count {
            try socket.send(text("flood"))
            usleep(200)
        }
        try socket.send(text("end"))
        for _ in 0..<count { #expect(try receiveMessage(socket).payload.count == 512 << 10) }
        #expect(String(decoding: try receiveMessage(socket).payload, as: UTF8.self) == "end")
    }

    /// All messages are there before the loop looks at any of them, the large one between the others.
    @Test func whatInflatesToMuchLetsOthersHaveTheirTurn() async throws {
        let server = try await TestServer()
        let large = try server.connect()
        try large.send(request("/ws-deflated", fields: "Sec-WebSocket-Extensions: permessage-deflate\r\n"))
        try expectUpgrade(large)
        let (before, after) = (try open(server), try open(server))
        let agreement = DeflateAgreement.Outgoing(
            windowBits: 15, memoryLevel: 8, compressionLevel: 6, keepsContext: true, minMessageBytes: 0)
        var compressor = Compressor(agreement)
        var bomb = ByteBuffer()
        let isMade = compressor.takes(.text, byteCount: nil)
        #expect(isMade)
        [UInt8](repeating: 97, count: 1 << 20).withUnsafeBytes {
            compressor.deflate($0, UnsafeRawBufferPointer(start: nil, count: 0), into: &bomb)
        }
        let isReady = Atomic<Bool>(false)
        server.loops.loop.execute { while !isReady.load(ordering: .acquiring) { usleep(100) } }
        try before.send(text("small"))
        try large.send(frame(0x41, Array(bomb.array.dropLast(Compressor.tailByteCount))))
        try after.send(text("small"))
        isReady.store(true, ordering: .releasing)
        #expect(await server.journal.has("text of 1048576 bytes"))
        let received = server.journal.all.filter { $0.hasPrefix("text of ") }
        #expect(received == ["text of 5 bytes", "text of 5 bytes", "text of 1048576 bytes"])
    }

    @Test func aHandshakeThatIsNoneIsRefusedAndTheConnectionLives() async throws {
        let server = try await TestServer()
        let socket = try server.connect()
        try socket.send("GET /ws HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        #expect(try socket.receiveResponse().head.hasPrefix("HTTP/1.1 4"))
        try socket.send("GET /hello HTTP/1.1\r\nHost: test\r\n\r\n")
        #expect(try socket.receiveResponse().body == "hello")
    }

    // MARK: How it ends

    private func closeFrame(_ socket: RawSocket) throws -> (code: Int, reason: String) {
        while true {
            let (opcode, payload) = try receiveFrame(socket)
            if opcode == 0xFF { return (0, "no close frame") }
            if opcode != 8 { continue }
            return (Int(payload[0]) << 8 | Int(payload[1]), String(decoding: payload.dropFirst(2), as: UTF8.self))
        }
    }

    private func openWatched(_ server: TestServer) throws -> RawSocket {
        let socket = try server.connect(receiveBufferByteCount: 4096)
        try socket.send(request("/ws-watched"))
        try expectUpgrade(socket)
        return socket
    }

    @Test func aPeerThatAnswersNoPingIsToldSo() async throws {
        let server = try await TestServer()
        let socket = try openWatched(server)
        let close = try closeFrame(socket)
        #expect(close.code == 1011 && close.reason == "ping timeout: nothing came for 0.2 s")
        #expect(await server.journal.has("closed 1006 false"))
    }

    @Test func aReaderThatDoesNotKeepUpGetsWhatWasQueuedAndIsToldSo() async throws {
        let server = try await TestServer()
        let socket = try openWatched(server)
        for _ in 0..<20 { try socket.send(text("flood")) }
        #expect(await server.journal.has("closed 1006 false"))
        let close = try closeFrame(socket)
        #expect(close.code == 1013 && close.reason.hasPrefix("slow consumer: "))
    }

    @Test func whatWasSaidBeforeTheEndIsHeardThoughTheReaderIsBehind() async throws {
        let server = try await TestServer()
        let socket = try server.connect(receiveBufferByteCount: 4096)
        try socket.send(request("/ws"))
        try expectUpgrade(socket)
        for _ in 0..<20 { try socket.send(text("flood")) }
        // From here the server reads no more, until its answers are taken.
        var queued = 0
        for _ in 0..<12_000 where queued == 0 {
            for loop in server.loops.group.loops {
                queued += await withCheckedContinuation { done in loop.execute { done.resume(returning: loop.queuedOutputBytes) } }
            }
        }
        #expect(queued > 0)
        try socket.send(text("last words") + frame(8, [0x03, 0xE8]))
        socket.shutDownWriting()
        var frames: [(opcode: UInt8, payload: [UInt8])] = []
        repeat { frames.append(try receiveMessage(socket)) } while ![8, 0xFF].contains(frames.last?.opcode)
        #expect(frames.count == 22)
        #expect(String(decoding: frames.dropLast().last?.payload ?? [], as: UTF8.self) == "last words")
        #expect(frames.last?.opcode == 8)
        #expect(await server.journal.has("closed 1000 true"))
    }

    @Test func halfReceivedMessagesAreBoundedTogether() async throws {
        let server = try await TestServer()
        let room = 128 << 10
        server.handler.room.store(room, ordering: .relaxed)
        let part = [UInt8](repeating: 97, count: 32 << 10)
        var sockets: [RawSocket] = []
        for _ in 0..<40 {
            let socket = try open(server)
            sockets.append(socket)
            try socket.send(frame(1, part, isFinal: false))
        }
        #expect(await server.journal.has("no room"))
        for loop in server.loops.group.loops {
            let held = await withCheckedContinuation { done in loop.execute { done.resume(returning: loop.heldInputBytes) } }
            #expect(held <= room + 2 * part.count)
        }
        // Short ones are taken all the same.
        let small = try open(server)
        try small.send(text("stop"))
        #expect(String(decoding: try receiveFrame(small).payload, as: UTF8.self) == "stop")
        // Whoever is in ends the message and has it back; the others were told.
        var refused = 0
        for socket in sockets {
            try? socket.send(frame(0, Array("end".utf8)))
            let (opcode, payload) = try receiveFrame(socket)
            if opcode == 8 {
                refused += 1
                #expect(payload.prefix(2) == [0x03, 0xF5])
                #expect(String(decoding: payload.dropFirst(2), as: UTF8.self).hasPrefix("overloaded: "))
            } else {
                #expect(payload.count == part.count + 3)
            }
        }
        #expect((1..<40).contains(refused))
    }
}

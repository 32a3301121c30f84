import Glibc
import Network
import Testing

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

    private func request(_ path: String) -> [UInt8] {
        Array(
            """
            GET \(path) HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r
            Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n
            """.utf8)
    }

    private func expectUpgrade(_ socket: RawSocket) throws {
        let head = try socket.receive(through: "\r\n\r\n")
        #expect(head.hasPrefix("HTTP/1.1 101 "))
        #expect(head.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"))
    }

    /// The next frame of the server: opcode and payload.
    private func receiveFrame(_ socket: RawSocket) throws -> (opcode: UInt8, payload: [UInt8]) {
        let head = try socket.receive(exactly: 2)
        guard head.count == 2 else { return (0xFF, []) }
        var length = Int(head[1])
        if length >= 126 { length = try socket.receive(exactly: length == 126 ? 2 : 8).reduce(0) { $0 << 8 | Int($1) } }
        return (head[0] & 0xF, try socket.receive(exactly: length))
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
        for _ in 0..<count { #expect(try receiveFrame(socket).payload.count == 512 << 10) }
        #expect(String(decoding: try receiveFrame(socket).payload, as: UTF8.self) == "end")
    }

    @Test func aHandshakeThatIsNoneIsRefusedAndTheConnectionLives() async throws {
        let server = try await TestServer()
        let socket = try server.connect()
        try socket.send("GET /ws HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        #expect(try socket.receiveResponse().head.hasPrefix("HTTP/1.1 4"))
        try socket.send("GET /hello HTTP/1.1\r\nHost: test\r\n\r\n")
        #expect(try socket.receiveResponse().body == "hello")
    }
}

import Glibc
import HTTP
import LoopbackServer
import Network
import Synchronization
import Testing

/// What is half received counts, and is refused when there is no room for it.
extension Loopback.HTTPConnectionTests {
    private func heldBytes(_ server: TestServer) async -> Int {
        var sum = 0
        for loop in server.loops.group.loops {
            sum += await withCheckedContinuation { done in loop.execute { done.resume(returning: loop.heldInputBytes) } }
        }
        return sum
    }

    private func head(_ byteCount: Int) -> String { "POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: \(byteCount)\r\n\r\n" }

    @Test func halfReceivedBodiesAreBoundedTogether() async throws {
        let server = try await TestServer()
        let room = 256 << 10
        server.handler.room.store(room, ordering: .relaxed)
        let part = [UInt8](repeating: 97, count: 64 << 10)
        var sockets: [RawSocket] = []
        var refused = 0
        for _ in 0..<40 {
            let socket = try server.connect()
            sockets.append(socket)
            try socket.send(head(part.count + 1))
            // Part of it only: the loops are where it counts, and each answers what it has taken.
            try socket.send(part)
        }
        #expect(await server.journal.has("no room"))
        // Each loop stops where its room is used up: of those who came last, each holds at most what goes without asking.
        for loop in server.loops.group.loops {
            let held = await withCheckedContinuation { done in loop.execute { done.resume(returning: loop.heldInputBytes) } }
            #expect(held <= room + 2 * part.count)
        }
        // A body that is small is taken all the same.
        let small = try server.connect()
        try small.send(head(5) + "small")
        #expect(try small.receiveResponse().body == "small")
        // Those whose place is held end as they like; the others have their answer.
        for socket in sockets {
            try? socket.send([97])
            if let answer = try? socket.receiveResponse(), answer.head.hasPrefix("HTTP/1.1 503 ") { refused += 1 }
            socket.close()
        }
        #expect((1..<40).contains(refused))
        for _ in 0..<500 where await heldBytes(server) > 0 { try await Task.sleep(for: .milliseconds(10)) }
        #expect(await heldBytes(server) == 0)
        let later = try server.connect()
        try later.send(head(part.count))
        try later.send(part)
        #expect(try later.receiveResponse().body.utf8.count == part.count)
    }

    @Test func aBodyThatIsAnnouncedTooLargeForTheRoomIsRefusedBeforeItComes() async throws {
        let server = try await TestServer()
        server.handler.room.store(-1, ordering: .relaxed)
        let socket = try server.connect()
        try socket.send(head(100_000))
        #expect(try socket.receiveResponse().head.hasPrefix("HTTP/1.1 503 "))
    }

    @Test func whatIsAnsweredIsHeldUntilItsEnd() async throws {
        let server = try await TestServer()
        let socket = try server.connect()
        try socket.send("POST /never HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nnever")
        #expect(await server.journal.has("request /never"))
        #expect(await heldBytes(server) == 5)
        socket.close()
        #expect(await server.journal.has("disconnect /never"))
        for _ in 0..<500 where await heldBytes(server) > 0 { try await Task.sleep(for: .milliseconds(10)) }
        #expect(await heldBytes(server) == 0)
    }

    // MARK: A client that closes its side

    @Test func whoeverClosesTheirSideAfterTheRequestsIsAnswered() async throws {
        let server = try await TestServer()
        let socket = try server.connect()
        let hello = "GET /hello HTTP/1.1\r\nHost: test\r\n\r\n"
        try socket.send("GET /slow HTTP/1.1\r\nHost: test\r\n\r\n" + hello)
        #expect(await server.journal.has("request /slow"))
        // Unread, behind the one that is answered.
        try socket.send(hello)
        socket.shutDownWriting()
        #expect(try socket.receiveResponse().body == "slow")
        #expect(try socket.receiveResponse().body == "hello")
        #expect(try socket.receiveResponse().body == "hello")
        #expect(try socket.receiveAll().isEmpty)
        #expect(!server.journal.all.contains { $0.hasPrefix("disconnect") })
    }

    @Test(arguments: ["/never", "/stream"]) func whatEndsWithTheInputIsToldAtOnce(_ path: String) async throws {
        let server = try await TestServer()
        let socket = try server.connect()
        try socket.send("GET \(path) HTTP/1.1\r\nHost: test\r\n\r\n")
        socket.shutDownWriting()
        #expect(await server.journal.has("disconnect \(path)"))
    }
}

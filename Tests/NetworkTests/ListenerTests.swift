import Glibc
import LoopbackServer
import Network
import Testing

extension Loopback.ListenerTests {
    private func listen(_ loops: Loops, _ address: SocketAddress, journal: Journal = Journal()) async throws -> ListenerSet {
        try await ListenerSet(address, group: loops.group) { loop, descriptor, _ in
            journal.add("loop \(loop.index)")
            close(descriptor)
        }
    }

    @Test func thePortThatTheKernelChoseIsTold() async throws {
        let loops = try Loops(2)
        let listeners = try await listen(loops, .tcp(host: "127.0.0.1", port: 0))
        guard case .tcp(_, let port) = listeners.address else {
            Issue.record("not TCP")
            return
        }
        #expect(port > 0)
        for _ in 0..<20 { #expect(try RawSocket(to: listeners.address).receive().isEmpty) }
    }

    @Test(arguments: [1, 2]) func aPortInUseIsAnError(_ loopCount: Int) async throws {
        let loops = try Loops(loopCount)
        let listeners = try await listen(loops, .tcp(host: "127.0.0.1", port: 0))
        let error = await #expect(throws: SystemCallError.self) { try await listen(loops, listeners.address) }
        #expect(error?.code == EADDRINUSE)
        // Once it is free, it can be had again.
        listeners.stop()
        for loop in loops.group.loops {
            await withCheckedContinuation { continuation in loop.execute { continuation.resume() } }
        }
        _ = try await listen(loops, listeners.address)
    }

    @Test func aUnixSocketThatNobodyHasIsReplacedAndALiveOneIsNot() async throws {
        let loops = try Loops(2)
        let path = temporaryPath()
        defer { unlink(path) }
        // Left by a process that was killed.
        let stale = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var name = unixAddress(path)
        let bound = withUnsafePointer(to: &name) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(stale, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
        }
        #expect(bound == 0)
        close(stale)

        let journal = Journal()
        let listeners = try await listen(loops, .unix(path: path), journal: journal)
        for _ in 0..<20 { #expect(try RawSocket(to: listeners.address).receive().isEmpty) }
        #expect(journal.all.count >= 20)
        let error = await #expect(throws: SystemCallError.self) { try await listen(loops, .unix(path: path)) }
        #expect(error?.code == EADDRINUSE)
        #expect(try RawSocket(to: listeners.address).receive().isEmpty)
        listeners.stop()
        #expect(access(path, F_OK) != 0)
    }

    @Test func aFileThatIsNoSocketIsLeftAlone() async throws {
        let loops = try Loops()
        let path = temporaryPath()
        defer { unlink(path) }
        close(open(path, O_CREAT | O_WRONLY, 0o600))
        let error = await #expect(throws: SystemCallError.self) { try await listen(loops, .unix(path: path)) }
        #expect(error?.code == EADDRINUSE)
        #expect(access(path, F_OK) == 0)
    }

    @Test func addressesThatCannotBeAreErrors() async throws {
        let loops = try Loops()
        for address in [
            SocketAddress.unix(path: ""), .unix(path: String(repeating: "x", count: 108)), .tcp(host: "no.such.invalid", port: 1),
        ] {
            await #expect(throws: SystemCallError.self) { try await listen(loops, address) }
        }
        #expect("\(SocketAddress.tcp(host: "::1", port: 80))" == "[::1]:80")
    }
}

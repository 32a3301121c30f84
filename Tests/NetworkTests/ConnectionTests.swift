import Bytes
import Glibc
import LoopbackServer
import Network
import Synchronization
import Testing

/// A connection that does what the test says, and tells what happens to it.
final class ProbeConnection: Connection {
    let journal: Journal
    var whenReceived: ((ProbeConnection, [UInt8]) -> Void)?
    var whenDrained: ((ProbeConnection) -> Void)?
    var whenConnected: ((ProbeConnection) -> Void)?

    init(
        loop: EventLoop, descriptor: Int32, journal: Journal, isConnecting: Bool = false, layer: SocketLayer? = nil
    ) {
        self.journal = journal
        super.init(loop: loop, descriptor: descriptor, isConnecting: isConnecting, layer: layer)
    }

    override func received(_ bytes: UnsafeMutableRawBufferPointer) { whenReceived?(self, Array(bytes)) }
    override func connected() {
        journal.add("connected")
        whenConnected?(self)
    }
    override func outputDrained() {
        journal.add("drained")
        whenDrained?(self)
    }
    override func inputClosed() {
        journal.add("input closed")
        super.inputClosed()
    }
    override func ended(_ end: End) { journal.add("ended \(end)") }

    func write(_ bytes: [UInt8]) {
        output.append(bytes)
        scheduleFlush()
    }
}

extension Loopback.ConnectionTests {
    /// Listens, and sets up each connection with `setUp` on its loop.
    private func serve(
        _ loops: Loops, on address: SocketAddress = .tcp(host: "127.0.0.1", port: 0), journal: Journal = Journal(),
        _ setUp: @escaping @Sendable (ProbeConnection) -> Void
    ) async throws -> ListenerSet {
        try await ListenerSet(address, group: loops.group) { loop, descriptor, _ in
            let connection = ProbeConnection(loop: loop, descriptor: descriptor, journal: journal)
            do {
                try connection.start()
                setUp(connection)
            } catch {
                journal.add("\(error)")
            }
        }
    }

    private func pattern(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0 ^ $0 >> 8 ^ $0 >> 16) } }

    @Test func bytesComeBackOverTCPAndUnixSockets() async throws {
        for address in [SocketAddress.tcp(host: "127.0.0.1", port: 0), .unix(path: temporaryPath())] {
            let loops = try Loops()
            let journal = Journal()
            let listeners = try await serve(loops, on: address, journal: journal) { connection in
                connection.whenReceived = { $0.write($1) }
            }
            let socket = try RawSocket(to: listeners.address)
            for text in ["hello", "again", "ü"] {
                try socket.send(text)
                #expect(String(decoding: try socket.receive(), as: UTF8.self) == text)
            }
            socket.close()
            #expect(await journal.has("ended closed"))
            #expect(journal.count(of: "ended closed") == 1)
            listeners.stop()
        }
    }

    @Test func aLargeWriteWaitsForASlowReaderAndThenDrains() async throws {
        let loops = try Loops()
        let journal = Journal()
        let bytes = pattern(8 << 20)
        let listeners = try await serve(loops, journal: journal) { connection in
            connection.write(bytes)
            journal.add("congested \(connection.isCongested)")
        }
        let socket = try RawSocket(to: listeners.address, receiveBufferByteCount: 8192)
        #expect(await journal.has("congested true"))
        try await Task.sleep(for: .milliseconds(30))
        #expect(journal.count(of: "drained") == 0)
        #expect(try socket.receive(exactly: bytes.count) == bytes)
        #expect(await journal.has("drained"))
    }

    @Test func congestionThatEndsWithinTheTurnIsToldToo() async throws {
        let loops = try Loops()
        let journal = Journal()
        // Just over the mark, and the kernel takes it at once: whoever waits for the drain must not wait for ever.
        let piece = pattern(Connection.congestionByteCount + 1)
        let listeners = try await serve(loops, journal: journal) { connection in
            var left = 20
            func feed(_ connection: ProbeConnection) {
                while left > 0, !connection.isCongested {
                    left -= 1
                    connection.write(piece)
                }
            }
            connection.whenDrained = { feed($0) }
            feed(connection)
        }
        let socket = try RawSocket(to: listeners.address)
        #expect(try socket.receive(exactly: 20 * piece.count).count == 20 * piece.count)
    }

    @Test func finishSendsAllThenHalfClosesAndWaitsForThePeer() async throws {
        let loops = try Loops()
        let journal = Journal()
        let bytes = pattern(4 << 20)
        let listeners = try await serve(loops, journal: journal) { connection in
            connection.write(bytes)
            connection.finish()
            connection.finish()
        }
        let socket = try RawSocket(to: listeners.address)
        #expect(try socket.receiveAll() == bytes)
        // Half-closed: it still takes what we send.
        try socket.send("late")
        try await Task.sleep(for: .milliseconds(20))
        try socket.send("later")
        #expect(!journal.all.contains { $0.hasPrefix("ended") })
        socket.close()
        #expect(await journal.has("ended closed"))
        #expect(journal.count(of: "ended closed") == 1)
    }

    @Test func aPeerThatNeverClosesIsLeftBehind() async throws {
        let loops = try Loops()
        let journal = Journal()
        let listeners = try await serve(loops, journal: journal) { $0.finish() }
        let socket = try RawSocket(to: listeners.address)
        #expect(try socket.receiveAll().isEmpty)
        #expect(await journal.has("ended lingerTimeout"))
        withExtendedLifetime(socket) {}
    }

    @Test func bytesThatWaitUnreadDoNotDestroyTheLastAnswer() async throws {
        let loops = try Loops()
        let journal = Journal()
        let listeners = try await serve(loops, journal: journal) { connection in
            connection.whenReceived = { connection, _ in
                connection.pauseReading()
                connection.loop.schedule(after: .milliseconds(30)) {
                    connection.write(Array("bye".utf8))
                    connection.finish()
                }
            }
        }
        let socket = try RawSocket(to: listeners.address)
        try socket.send("first")
        try await Task.sleep(for: .milliseconds(10))
        try socket.send([UInt8](repeating: 7, count: 100_000))
        try await Task.sleep(for: .milliseconds(50))
        #expect(String(decoding: try socket.receiveAll(), as: UTF8.self) == "bye")
        socket.close()
        #expect(await journal.has("ended closed"))
    }

    @Test func abortEndsAtOnceWithAResetIfAsked() async throws {
        let loops = try Loops()
        for reset in [false, true] {
            let journal = Journal()
            let listeners = try await serve(loops, journal: journal) { connection in
                connection.whenReceived = { connection, _ in
                    connection.abort(reset: reset)
                    connection.abort(reset: reset)
                    connection.finish()
                }
            }
            let socket = try RawSocket(to: listeners.address)
            try socket.send("x")
            if reset {
                #expect(throws: RawSocket.Failure(call: "recv", code: ECONNRESET)) { try socket.receive() }
            } else {
                #expect(try socket.receive().isEmpty)
            }
            #expect(await journal.has("ended closed"))
            #expect(journal.all == ["ended closed"])
        }
    }

    @Test func aResetByThePeerIsAFailure() async throws {
        let loops = try Loops()
        let journal = Journal()
        let listeners = try await serve(loops, journal: journal) { _ in journal.add("accepted") }
        let socket = try RawSocket(to: listeners.address)
        #expect(await journal.has("accepted"))
        var option = linger(l_onoff: 1, l_linger: 0)
        setsockopt(socket.descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
        socket.close()
        #expect(await journal.has("ended failed(\(ECONNRESET))"))
    }

    @Test func aPausedConnectionReadsNothingButSeesThePeersEnd() async throws {
        let loops = try Loops()
        let journal = Journal()
        let accepted = Mutex<LoopBound<ProbeConnection>?>(nil)
        let listeners = try await serve(loops, journal: journal) { connection in
            connection.pauseReading()
            connection.whenReceived = { journal.add("received \($1.count)") }
            accepted.withLock { $0 = LoopBound(connection, on: connection.loop) }
            journal.add("accepted")
        }
        let socket = try RawSocket(to: listeners.address)
        try socket.send("12345")
        try await Task.sleep(for: .milliseconds(15))
        #expect(await journal.has("accepted"))
        #expect(journal.all == ["accepted"])
        accepted.withLock { $0 }?.run { $0.resumeReading() }
        #expect(await journal.has("received 5"))

        let second = try RawSocket(to: listeners.address)
        try await Task.sleep(for: .milliseconds(5))
        second.close()
        #expect(await journal.has("input closed"))
        #expect(await journal.has("ended closed"))
    }

    @Test func aConnectionIsMadeOrRefused() async throws {
        let loops = try Loops()
        let journal = Journal()
        for address in [SocketAddress.tcp(host: "127.0.0.1", port: 0), .unix(path: temporaryPath())] {
            let listeners = try await serve(loops, on: address) { connection in
                connection.whenReceived = { $0.write($1) }
            }
            let descriptor = try Connection.connectingSocket(to: listeners.address)
            let outcome = Journal()
            _ = await loops.run { loop in
                let connection = ProbeConnection(loop: loop, descriptor: descriptor, journal: outcome, isConnecting: true)
                connection.whenConnected = { $0.write(Array("ping".utf8)) }
                connection.whenReceived = { connection, bytes in
                    outcome.add(String(decoding: bytes, as: UTF8.self))
                    connection.finish()
                }
                do { try connection.start() } catch { outcome.add("\(error)") }
                return true
            }
            #expect(await outcome.has("ended closed"))
            #expect(outcome.all.prefix(2) == ["connected", "ping"])
            listeners.stop()
        }
        let listeners = try await serve(loops) { _ in }
        listeners.stop()
        _ = await loops.run { _ in true }
        let descriptor = try Connection.connectingSocket(to: listeners.address)
        _ = await loops.run { loop in
            let connection = ProbeConnection(loop: loop, descriptor: descriptor, journal: journal, isConnecting: true)
            do { try connection.start() } catch { journal.add("\(error)") }
            return true
        }
        #expect(await journal.has("ended failed(\(ECONNREFUSED))"))
    }

    @Test func theLoopsEndClosesItsConnections() async throws {
        let loops = try Loops()
        let journal = Journal()
        let listeners = try await serve(loops, journal: journal) { _ in journal.add("accepted") }
        let socket = try RawSocket(to: listeners.address)
        #expect(await journal.has("accepted"))
        loops.group.shutDown()
        #expect(journal.all.last == "ended closed")
        #expect(try socket.receive().isEmpty)
    }
}

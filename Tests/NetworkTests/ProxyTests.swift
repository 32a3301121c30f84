import Bytes
import Glibc
import HTTP
import LoopbackServer
import Network
import Testing

extension Loopback {
    @Suite struct ProxyTests {}
}

extension Loopback.ProxyTests {
    private static let line = "PROXY TCP4 192.0.2.1 198.51.100.7 47011 443\r\n"

    private func get(_ fields: String = "") -> String { "GET /whoami HTTP/1.1\r\nHost: test\r\n\(fields)\r\n" }

    private func rules(_ block: String, requiresHeader: Bool = false) throws -> HTTPServer.ProxyRules {
        var rules = HTTPServer.ProxyRules()
        rules.trusted = TrustedProxies([try CIDRBlock(block)])
        rules.requiresProxyHeader = requiresHeader
        return rules
    }

    @Test func thePeerIsWhoAsks() async throws {
        let server = try await TestServer()
        let socket = try server.connect()
        try socket.send(get("X-Forwarded-For: 192.0.2.1\r\nForwarded: nonsense\r\n"))
        #expect(try socket.receiveResponse().body == "127.0.0.1 -")
    }

    @Test func aTrustedProxyNamesWhoAsks() async throws {
        let server = try await TestServer(proxies: try rules("127.0.0.0/8"))
        let socket = try server.connect()
        try socket.send(get("Forwarded: for=192.0.2.1;proto=https\r\n") + get("X-Forwarded-For: 192.0.2.2\r\n") + get())
        #expect(try socket.receiveResponse().body == "192.0.2.1 https")
        #expect(try socket.receiveResponse().body == "192.0.2.2 -")
        #expect(try socket.receiveResponse().body == "127.0.0.1 -")
    }

    @Test(arguments: ["Forwarded: for=\"x\r\n", "Forwarded: for=192.0.2.1\r\nX-Forwarded-For: 192.0.2.2\r\n"])
    func whatAProxyCannotHaveMeantIsRefused(_ fields: String) async throws {
        let server = try await TestServer(proxies: try rules("127.0.0.0/8"))
        let socket = try server.connect()
        try socket.send(get(fields))
        #expect(String(decoding: try socket.receiveAll(), as: UTF8.self).hasPrefix("HTTP/1.1 400 "))
        #expect(server.journal.all.isEmpty)
    }

    @Test func aPROXYHeaderNamesWhoConnected() async throws {
        let server = try await TestServer(proxies: try rules("127.0.0.1", requiresHeader: true))
        let together = try server.connect()
        try together.send(Self.line + get() + get())
        #expect(try together.receiveResponse().body == "192.0.2.1 -")
        #expect(try together.receiveResponse().body == "192.0.2.1 -")

        let bytes = try server.connect()
        for byte in (Self.line + get()).utf8 { try bytes.send([byte]) }
        #expect(try bytes.receiveResponse().body == "192.0.2.1 -")

        let local = try server.connect()
        try local.send(
            ([0x0D, 0x0A, 0x0D, 0x0A, 0, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A, 0x20, 0, 0, 0] as [UInt8]) + Array(get().utf8))
        #expect(try local.receiveResponse().body == "127.0.0.1 -")
    }

    /// Who came through the PROXY header is asked about in turn: another proxy of ours may stand behind the first.
    @Test func aPROXYHeaderAndForwardedMakeAChain() async throws {
        let server = try await TestServer(proxies: try rules("127.0.0.1", requiresHeader: true))
        let stranger = try server.connect()
        try stranger.send(Self.line + get("Forwarded: for=203.0.113.9\r\n"))
        #expect(try stranger.receiveResponse().body == "192.0.2.1 -")
        let own = try server.connect()
        try own.send("PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n" + get("Forwarded: for=203.0.113.9\r\n"))
        #expect(try own.receiveResponse().body == "203.0.113.9 -")
    }

    @Test(arguments: ["GET /whoami HTTP/1.1\r\nHost: x\r\n\r\n", "PROXY TCP4 1.2.3.4\r\n", "\u{16}\u{3}\u{1}"])
    func whatIsNoPROXYHeaderIsClosedWithoutAWord(_ text: String) async throws {
        let server = try await TestServer(proxies: try rules("127.0.0.1", requiresHeader: true))
        let socket = try server.connect()
        try socket.send(text)
        #expect(await closes(socket))
        #expect(server.journal.all.isEmpty)
    }

    @Test func aStrangerIsClosedWhateverItSays() async throws {
        let server = try await TestServer(proxies: try rules("10.0.0.0/8", requiresHeader: true))
        let socket = try server.connect()
        try? socket.send(Self.line + get())
        #expect(await closes(socket))
        #expect(server.journal.all.isEmpty)
    }

    @Test func aPROXYHeaderThatDoesNotComeIsNotWaitedFor() async throws {
        var deadlines = HTTPServer.Deadlines()
        deadlines.head = .milliseconds(60)
        let server = try await TestServer(deadlines: deadlines, proxies: try rules("127.0.0.1", requiresHeader: true))
        let socket = try server.connect()
        try socket.send("PROXY TCP4 192")
        #expect(await closes(socket))
    }

    @Test func aUnixSocketHasNoAddress() async throws {
        let path = temporaryPath()
        defer { unlink(path) }
        let server = try await TestServer(address: .unix(path: path))
        let socket = try server.connect()
        try socket.send(get("X-Forwarded-For: 192.0.2.1\r\n"))
        #expect(try socket.receiveResponse().body == "unix -")
        var rules = HTTPServer.ProxyRules()
        rules.trusted.includesUnixSockets = true
        let otherPath = temporaryPath()
        defer { unlink(otherPath) }
        let trusting = try await TestServer(proxies: rules, address: .unix(path: otherPath))
        let other = try trusting.connect()
        try other.send(get("X-Forwarded-For: 192.0.2.1\r\n"))
        #expect(try other.receiveResponse().body == "192.0.2.1 -")
    }

    /// Unread bytes make the close a reset: both are an end without a word.
    private func closes(_ socket: RawSocket) async -> Bool {
        do {
            return try socket.receiveAll().isEmpty
        } catch {
            return (error as? RawSocket.Failure)?.code == ECONNRESET
        }
    }
}

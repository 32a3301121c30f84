import Glibc
import LoopbackServer
import Network
import Testing

extension Loopback.TLSTests {
    /// A server with a ``TestHandler`` behind TLS.
    private struct SecureServer {
        let loops: Loops
        let context: TLSServerContext
        let handler = TestHandler()
        let listeners: ListenerSet
        let certificates: TestCertificates

        init(
            _ certificates: TestCertificates, _ leaves: [TLSCertificateFiles], _ change: (inout TLSSettings) -> Void = { _ in }
        ) async throws {
            self.certificates = certificates
            loops = try Loops()
            var settings = TLSSettings(certificates: leaves)
            change(&settings)
            context = try TLSServerContext(settings)
            listeners = try await HTTPServer(handler: handler).listen(
                on: .tcp(host: "127.0.0.1", port: 0), tls: context, group: loops.group)
        }

        /// Sends a request with our own client and waits for what comes of it.
        func ask(
            _ request: String = "GET /hello HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n", host: String = "localhost",
            trusting authorities: String? = nil, certificate: TLSCertificateFiles? = nil
        ) async throws -> Journal {
            let journal = Journal()
            let client = try TLSClientContext(authorities: authorities ?? certificates.authority, certificate: certificate)
            let descriptor = try Connection.connectingSocket(to: listeners.address)
            _ = await loops.run { loop in
                let connection = ProbeConnection(
                    loop: loop, descriptor: descriptor, journal: journal, isConnecting: true, layer: client.layer(host: host))
                connection.whenConnected = { $0.write(Array(request.utf8)) }
                connection.whenReceived = { connection, bytes in
                    journal.add(String(decoding: bytes, as: UTF8.self))
                    journal.add("certificate \(connection.peerCertificateSubject ?? "none")")
                }
                do { try connection.start() } catch { journal.add("\(error)") }
                return true
            }
            _ = await journal.hasLine { $0.hasPrefix("ended") }
            return journal
        }
    }

    private func isAnswered(_ journal: Journal) -> Bool {
        journal.all.contains { $0.hasPrefix("HTTP/1.1 200") && $0.hasSuffix("hello") } && journal.all.last == "ended closed"
    }

    @Test func aRequestIsAnsweredAndTheEndIsToldByCloseNotify() async throws {
        let certificates = try TestCertificates()
        let server = try await SecureServer(certificates, [certificates.leaf("a", "DNS:localhost,IP:127.0.0.1")])
        // A cut would be told as `insecure(truncated)`.
        for host in ["localhost", "127.0.0.1"] { #expect(isAnswered(try await server.ask(host: host))) }
        #expect(server.context.handshakeCounts.total == 2)
    }

    /// Where the kernel has no TLS, OpenSSL goes on by itself: what is asked for is an offer.
    @Test(arguments: [false, true]) func theKernelIsAskedAndMayDecline(_ asks: Bool) async throws {
        let certificates = try TestCertificates()
        let server = try await SecureServer(certificates, [certificates.leaf("a", "DNS:localhost")]) { $0.asksKernel = asks }
        #expect(server.context.asksKernel == asks)
        #expect(isAnswered(try await server.ask()))
        let kernel = server.context.kernelCounts
        #expect(kernel.sends == (asks && KernelTLS.isAvailable ? 1 : 0))
        #expect(kernel.receives <= kernel.sends)
    }

    @Test func eachNameGetsItsCertificate() async throws {
        let certificates = try TestCertificates()
        let leaves = [
            try certificates.leaf("first", "DNS:localhost"), try certificates.leaf("wild", "DNS:*.example.test"),
            try certificates.leaf("exact", "DNS:api.example.test"),
        ]
        let server = try await SecureServer(certificates, leaves)
        for (host, name) in [
            ("localhost", "first"), ("www.example.test", "wild"), ("api.example.test", "exact"), ("API.Example.TEST", "exact"),
        ] {
            let journal = try await server.ask(host: host)
            #expect(isAnswered(journal))
            #expect(journal.all.contains("certificate CN=\(name)"))
        }
        // A name that we lack gets the first certificate, which this client then refuses.
        let journal = try await server.ask(host: "a.b.example.test")
        #expect(journal.all.contains { $0.contains("is not accepted: hostname mismatch") })
    }

    @Test func aServerThatIsNotTrustedIsRefusedAndCounted() async throws {
        let certificates = try TestCertificates()
        let others = try TestCertificates()
        let server = try await SecureServer(certificates, [certificates.leaf("a", "DNS:localhost")])
        let journal = try await server.ask(trusting: others.authority)
        #expect(journal.all.count == 1 && journal.all[0].contains("is not accepted"))
        #expect(await eventually { server.context.failureCounts[.refusedByPeer] == 1 })
        #expect(server.handler.journal.all.isEmpty)
    }

    @Test func aCertificateOfTheClientIsRequiredAndItsNameKnown() async throws {
        let certificates = try TestCertificates()
        let server = try await SecureServer(certificates, [certificates.leaf("a", "DNS:localhost")]) {
            $0.clientAuthentication = .require
            $0.clientAuthorities = certificates.authority
        }
        let alice = try certificates.leaf("alice", "email:alice@example.test")
        let who = "GET /who HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"
        let journal = try await server.ask(who, certificate: alice)
        #expect(journal.all.contains { $0.hasSuffix("\r\n\r\nCN=alice") })
        let nobody = try await server.ask(who)
        #expect(nobody.all.last?.hasPrefix("ended insecure") == true)
        #expect(server.context.failureCounts[.certificateRequired] == 1)
        let others = try TestCertificates()
        let foreign = try await server.ask(who, certificate: try others.leaf("mallory", "email:m@example.test"))
        #expect(foreign.all.last?.hasPrefix("ended insecure") == true)
        #expect(server.context.failureCounts[.badCertificate] == 1)
    }

    @Test func plainHTTPGetsAPlainRefusal() async throws {
        let certificates = try TestCertificates()
        let server = try await SecureServer(certificates, [certificates.leaf("a", "DNS:localhost")])
        let socket = try RawSocket(to: server.listeners.address)
        try socket.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n")
        let answer = String(decoding: try socket.receiveAll(), as: UTF8.self)
        #expect(answer.hasPrefix("HTTP/1.1 400 ") && answer.hasSuffix("begin the URL with https://.\n"))
        let noise = try RawSocket(to: server.listeners.address)
        try noise.send([UInt8](repeating: 0xEE, count: 600))
        _ = try noise.receiveAll()
        #expect(server.context.failureCounts[.plainHTTP] == 1)
        #expect(server.context.failureCounts.values.reduce(0, +) == 2)
    }

    @Test func aHandshakeThatTakesTooLongEnds() async throws {
        let certificates = try TestCertificates()
        let server = try await SecureServer(certificates, [certificates.leaf("a", "DNS:localhost")]) {
            $0.handshakeTimeout = .milliseconds(50)
        }
        let silent = try RawSocket(to: server.listeners.address)
        let slow = try RawSocket(to: server.listeners.address)
        // The head of a ClientHello, and never the rest.
        try slow.send([22, 3, 1, 2, 0, 1, 0, 1, 0xFC])
        #expect(try silent.receiveAll().isEmpty)
        #expect(try slow.receiveAll().isEmpty)
        #expect(server.context.failureCounts == [.timeout: 2])
        slow.close()
        let gone = try RawSocket(to: server.listeners.address)
        gone.close()
        #expect(await eventually { server.context.failureCounts[.closed] == 1 })
    }

    @Test func aReloadIsForNewConnectionsAndABrokenFileChangesNothing() async throws {
        let certificates = try TestCertificates()
        let leaf = try certificates.leaf("a", "DNS:localhost", subject: "old")
        let server = try await SecureServer(certificates, [leaf])
        #expect(try await server.ask().all.contains("certificate CN=old"))
        try certificates.leaf("a", "DNS:localhost", subject: "new")
        try server.context.reload()
        #expect(try await server.ask().all.contains("certificate CN=new"))
        overwrite(leaf.certificate, "no certificate")
        let error = #expect(throws: TLSFileError.self) { try server.context.reload() }
        #expect(error?.path == leaf.certificate)
        #expect(isAnswered(try await server.ask()))
    }

    @Test func filesThatCannotBeUsedSayWhy() throws {
        let certificates = try TestCertificates()
        let (one, two) = (try certificates.leaf("one", "DNS:one"), try certificates.leaf("two", "DNS:two", days: -2))
        #expect(try TLSCertificateReport.check(one).daysLeft == 30)
        #expect(try TLSCertificateReport.check(two).daysLeft < 0)
        for (files, problem) in [
            (TLSCertificateFiles(certificate: one.certificate, key: two.key), "is not the key of"),
            (TLSCertificateFiles(certificate: one.key, key: one.key), "holds no certificate"),
            (TLSCertificateFiles(certificate: one.certificate, key: one.certificate), "holds no private key"),
            (TLSCertificateFiles(certificate: "/none/such.pem", key: one.key), "No such file"),
        ] {
            let error = #expect(throws: TLSFileError.self) { try TLSCertificateReport.check(files) }
            #expect(error?.problem.contains(problem) == true, "\(String(describing: error))")
        }
    }

    @Test func ticketKeysChangeAndTheOneBeforeStillOpens() throws {
        let keys = TLSTicketKeys(lifetime: .seconds(10))
        let start = Instant(nanoseconds: 0)
        let first = try #require(keys.sealing(now: start))
        #expect(keys.sealing(now: start + .seconds(9))?.name == first.name)
        let second = try #require(keys.sealing(now: start + .seconds(10)))
        #expect(second.name != first.name)
        let opened = first.name.withUnsafeBytes { keys.opening($0, now: start + .seconds(15)) }
        #expect(opened?.key.name == first.name && opened?.isCurrent == false)
        #expect(second.name.withUnsafeBytes { keys.opening($0, now: start + .seconds(15)) }?.isCurrent == true)
        #expect(first.name.withUnsafeBytes { keys.opening($0, now: start + .seconds(20)) } == nil)
    }

    @Test func largeBodiesGoBothWaysAlsoWhenTheReaderPauses() async throws {
        let certificates = try TestCertificates()
        let server = try await SecureServer(certificates, [certificates.leaf("a", "DNS:localhost")])
        let client = try TLSClientContext(authorities: certificates.authority)
        let bytes = (0..<(3 << 20)).map { UInt8(truncatingIfNeeded: $0 ^ $0 >> 8 ^ $0 >> 16) }
        let journal = Journal()
        let descriptor = try Connection.connectingSocket(to: server.listeners.address)
        _ = await server.loops.run { loop in
            let connection = ProbeConnection(
                loop: loop, descriptor: descriptor, journal: journal, isConnecting: true, layer: client.layer(host: "localhost"))
            var answer: [UInt8] = []
            connection.whenConnected = { connection in
                connection.write(Array("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: \(bytes.count)\r\n\r\n".utf8))
                connection.write(bytes)
            }
            connection.whenReceived = { connection, piece in
                answer += piece
                connection.pauseReading()
                connection.loop.schedule(after: .zero) { connection.resumeReading() }
                if answer.count > bytes.count, answer.suffix(bytes.count).elementsEqual(bytes) {
                    journal.add("all")
                    connection.finish()
                }
            }
            do { try connection.start() } catch { journal.add("\(error)") }
            return true
        }
        #expect(await journal.has("all"))
        #expect(await journal.hasLine { $0.hasPrefix("ended") })
    }

    @Test func aStormOfHandshakesDoesNotStandBeforeALiveConnection() throws {
        let certificates = try TestCertificates()
        let context = try TLSServerContext(TLSSettings(certificates: [certificates.leaf("a", "DNS:localhost")]))
        let client = try TLSClientContext(authorities: certificates.authority)
        let drive = try LoopDrive()
        let server = HTTPServer(handler: TestHandler())
        // A live connection, without TLS so that its echo is one turn.
        let live = try LoopDrive.pair()
        server.serve(live.0, on: drive.loop)
        let journal = Journal()
        let storm = 60
        for _ in 0..<storm {
            let (near, far) = try LoopDrive.pair()
            server.serve(near, on: drive.loop, layer: context.layer())
            let connection = ProbeConnection(
                loop: drive.loop, descriptor: far, journal: journal, isConnecting: true, layer: client.layer(host: "localhost"))
            try connection.start()
        }
        let request = Array("GET /hello HTTP/1.1\r\nHost: t\r\n\r\n".utf8)
        var buffer = [UInt8](repeating: 0, count: 4096)
        var turns = 0
        while context.handshakeCounts.total < storm, turns < 10_000 {
            let before = context.handshakeCounts.total
            #expect(send(live.1, request, request.count, Int32(MSG_NOSIGNAL)) == request.count)
            drive.loop.turnOnce()
            // Answered in the very turn, however many wait.
            #expect(recv(live.1, &buffer, buffer.count, Int32(MSG_DONTWAIT)) > 0)
            #expect(context.handshakeCounts.total - before <= 4)
            turns += 1
        }
        #expect(context.handshakeCounts.total == storm)
        close(live.1)
    }
}

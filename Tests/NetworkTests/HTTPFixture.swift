import Bytes
import HTTP
import LoopbackServer
import Network
import Synchronization
import WebSocket

/// Answers what the path asks for, and tells what happens.
final class TestHandler: HTTPRequestHandler {
    let journal = Journal()

    /// Bytes of half-received input that a loop may hold.
    let room = Atomic(Int.max)

    func hasRoom(on loop: EventLoop) -> Bool {
        let hasRoom = loop.heldInputBytes <= room.load(ordering: .relaxed)
        if !hasRoom { journal.add("no room") }
        return hasRoom
    }

    /// A request that says so has its terms found later.
    func terms(for request: RequestHead) -> RequestTerms? {
        request.fields["wait"] == nil ? terms(request) : nil
    }

    func findTerms(for request: RequestHead, on loop: EventLoop, _ then: @escaping (RequestTerms) -> Void) {
        journal.add("waits \(request.target.path)")
        loop.schedule(after: .milliseconds(40)) {
            self.journal.add("found \(request.target.path)")
            then(self.terms(request))
        }
    }

    private func terms(_ request: RequestHead) -> RequestTerms {
        RequestTerms(
            maxBodyBytes: request.fields["max-body"].flatMap { Int($0) } ?? .max,
            streamsBody: request.target.path.hasPrefix("/upload"), credential: request.fields["wait"])
    }

    func errorAnswer(for status: HTTPStatus, _ message: String) -> HTTPErrorAnswer {
        HTTPErrorAnswer(fields: [("Content-Type", "text/plain")], body: Array(message.utf8))
    }

    func handle(_ exchange: HTTPExchange) {
        let path = exchange.request.target.path
        let journal = journal
        journal.add("request \(path)")
        exchange.endsWithInput = path == "/never" || path == "/endless"
        exchange.onDisconnect = { journal.add("disconnect \(path)") }
        switch path {
        case "/hello": exchange.respond(.ok, contentType: "text/plain", body: Array("hello".utf8))
        case "/whoami":
            let client = exchange.client
            let text = "\(client.address?.description ?? "unix") \(client.scheme?.rawValue ?? "-")"
            exchange.respond(.ok, body: Array(text.utf8))
        case "/credential": exchange.respond(.ok, body: Array((exchange.credential as? String ?? "none").utf8))
        case "/who": exchange.respond(.ok, body: Array((exchange.clientCertificateSubject ?? "nobody").utf8))
        case "/echo": exchange.respond(.ok, body: exchange.body)
        case "/slow":
            exchange.loop?.schedule(after: .milliseconds(60)) { exchange.respond(.ok, body: Array("slow".utf8)) }
        case "/last":
            exchange.closeAfterwards()
            exchange.loop?.schedule(after: .milliseconds(20)) {
                exchange.respond(.ok, body: [UInt8](repeating: 120, count: 2 << 20))
            }
        case "/big": exchange.respond(.ok, body: [UInt8](repeating: 98, count: 256 << 10))
        case "/stream", "/cut":
            exchange.beginStream(.ok, contentType: "text/event-stream", fields: [("X-Broken", "a\r\nb"), ("X-Fine", "y")])
            for number in 1...3 {
                exchange.loop?.schedule(after: .milliseconds(5 * number)) {
                    exchange.write { $0.append("piece \(number);") }
                    if number < 3 { return }
                    if path == "/cut" { exchange.abort() } else { exchange.end() }
                }
            }
        case "/flood": feed(exchange, pieces: 64)
        case "/long-events":
            exchange.beginStream(.ok, contentType: "text/event-stream")
            for letter in [UInt8(ascii: "a"), UInt8(ascii: "b")] {
                exchange.write(long: [UInt8](repeating: letter, count: 4 << 20))
                exchange.write { $0.append(";") }
            }
            exchange.end()
        case "/flood-events": feed(exchange, pieces: 64, as: "text/event-stream")
        case "/never": break
        case "/upload": receive(exchange)
        case "/upload-refused": exchange.respond(.forbidden, body: Array("no".utf8))
        case "/endless":
            exchange.beginStream(.ok, contentType: "text/plain")
            exchange.write { $0.append("begun") }
        case "/ws": upgrade(exchange)
        case "/ws-deflated": upgrade(exchange, deflate: DeflateOptions())
        case "/ws-watched":
            var liveness = WebSocketLiveness()
            liveness.pingInterval = .milliseconds(100)
            upgrade(exchange, liveness: WebSocketLiveness.Shared(liveness))
        case "/later-ws": exchange.loop?.schedule(after: .milliseconds(30)) { self.upgrade(exchange) }
        default: exchange.respond(.notFound)
        }
    }

    /// Takes a body piece by piece, with a rest after each, and answers with what it was in short.
    private func receive(_ exchange: HTTPExchange) {
        let journal = journal
        var byteCount = 0
        var sum: UInt64 = 0
        exchange.onBody = { piece in
            if byteCount == 0 { journal.add("body begins") }
            byteCount += piece.count
            for byte in piece { sum = sum &* 31 &+ UInt64(byte) }
            exchange.pauseBody()
            exchange.loop?.schedule(after: .zero) { exchange.resumeBody() }
        }
        exchange.onBodyEnd = { exchange.respond(.ok, body: Array("\(byteCount) \(sum)".utf8)) }
    }

    /// 16 MiB, never more in the buffer than is allowed.
    private func feed(_ exchange: HTTPExchange, pieces: Int, as contentType: String = "application/octet-stream") {
        var left = pieces
        let piece = [UInt8](repeating: 102, count: 256 << 10)
        func go() {
            while left > 0, !exchange.isCongested {
                left -= 1
                exchange.write { $0.append(piece) }
            }
            if left == 0 { exchange.end() }
        }
        exchange.beginStream(.ok, contentType: contentType)
        exchange.onDrained = { go() }
        go()
    }

    private func upgrade(
        _ exchange: HTTPExchange, liveness: WebSocketLiveness.Shared = .standard, deflate: DeflateOptions? = nil
    ) {
        let request = HandshakeRequest(
            method: "\(exchange.request.method)", httpMinorVersion: exchange.request.minorVersion,
            fields: exchange.request.fields.map { ($0.name, $0.value) })
        do throws(HandshakeRejection) {
            let acceptance = try ServerHandshake(deflate: deflate).accept(request)
            var limits = WebSocketLimits()
            limits.maxMessageBytes = 1 << 20
            exchange.upgrade(acceptance, limits: limits, liveness: liveness) { EchoWebSocket($0, journal: journal) }
        } catch {
            exchange.respond(HTTPStatus(error.status), fields: error.fields)
        }
    }
}

/// Sends back what it gets; `close` makes it start the close handshake.
final class EchoWebSocket: WebSocketConnection {
    let journal: Journal

    init(_ transport: WebSocketTransport, journal: Journal) {
        self.journal = journal
        super.init(transport)
    }

    override func receivedText(_ text: UnsafeRawBufferPointer) {
        journal.add("text of \(text.count) bytes")
        switch String(decoding: text, as: UTF8.self) {
        case "close": close(.goingAway, reason: "going")
        case "pause":
            // Not from within a message.
            loop.schedule(after: .zero) {
                self.pauseMessages()
                self.journal.add("paused")
            }
        case "resume later":
            pauseMessages()
            loop.schedule(after: .milliseconds(1)) { self.resumeMessages() }
        case "retain": retain(byteCount: 50_000)
        case "let go": retain(byteCount: 0)
        case "flood":
            let piece = [UInt8](repeating: 102, count: 512 << 10)
            piece.withUnsafeBytes { send(.binary, $0) }
        default: sendText { $0.append(text) }
        }
    }
    override func receivedBinary(_ bytes: UnsafeRawBufferPointer) { send(.binary, bytes) }
    override func closed(_ end: ConnectionClosed) { journal.add("closed \(end.code.rawValue) \(end.wasClean)") }
}

/// A server with a ``TestHandler`` on loops of its own.
struct TestServer {
    let loops: Loops
    let handler = TestHandler()
    let listeners: ListenerSet
    var address: SocketAddress { listeners.address }
    var journal: Journal { handler.journal }

    init(
        limits: MessageLimits = MessageLimits(), deadlines: HTTPServer.Deadlines = HTTPServer.Deadlines(),
        proxies: HTTPServer.ProxyRules = HTTPServer.ProxyRules(), address: SocketAddress = .tcp(host: "127.0.0.1", port: 0)
    ) async throws {
        loops = try Loops()
        let server = HTTPServer(limits: limits, deadlines: deadlines, proxies: proxies, handler: handler)
        listeners = try await server.listen(on: address, group: loops.group)
    }

    func connect(receiveBufferByteCount: Int32? = nil) throws -> RawSocket {
        try RawSocket(to: address, receiveBufferByteCount: receiveBufferByteCount)
    }
}

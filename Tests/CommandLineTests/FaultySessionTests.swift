import Bytes
import HTTP
import JSON
import Logging
import Network
import Server
import Synchronization
import Testing
import Upstreams
import WebSocket

@testable import interject

/// A session of the whole server, followed over sockets that misbehave by a seed.
@Suite(.serialized) struct FaultySessionTests {
    /// What the server's sockets do. Off at first, so that the session is made once.
    private final class Faults: Sendable {
        private struct State {
            var isOn = false
            var random: FaultRandom
            var resetsLeft = 24
        }
        private let state: Mutex<State>

        init(seed: UInt64) { state = Mutex(State(random: FaultRandom(seed: seed))) }

        func set(_ isOn: Bool) { state.withLock { $0.isOn = isOn } }

        /// How many connections there were with a reset ahead.
        var resets: Int { state.withLock { 24 - $0.resetsLeft } }

        func layer() -> SocketLayer? {
            state.withLock { state in
                guard state.isOn else { return nil }
                var plan = FaultPlan(seed: state.random.next())
                if state.resetsLeft > 0 {
                    state.resetsLeft -= 1
                    plan.resetAfterSent = Int(state.random.next() % 12_000)
                }
                return FaultLayer(plan)
            }
        }
    }

    /// Follows the session, by WebSocket and SSE in turn, from where the last connection ended. Loop-confined.
    private final class Follower {
        private let loop: EventLoop
        private let target: SessionTarget
        private let whole: ([String]) -> Void
        private var lines: [String] = []
        private var lastSequence = 0
        private var connections = 0
        private var parser = ServerSentEventParser()
        private var isDone = false

        init(_ target: SessionTarget, on loop: EventLoop, whole: @escaping ([String]) -> Void) {
            self.target = target
            self.loop = loop
            self.whole = whole
        }

        func connect() {
            if isDone { return }
            connections += 1
            do {
                if connections % 2 == 0 { try stream() } else { try socket() }
            } catch {
                take("error \(error)", lastSequence + 1)
            }
        }

        private func again() {
            loop.schedule(after: .milliseconds(1)) { self.connect() }
        }

        private func socket() throws {
            try WebSocketClient.connect(
                to: target.server.address, target: "/v1/responses", host: target.server.host, on: loop,
                opened: { transport in
                    let socket = SessionSocket(
                        transport,
                        onMessage: { message in
                            guard let sequence = message["interject"]?["sequence"]?.int else { return }
                            self.take(Self.line(message), sequence)
                        }, onClosed: { _ in self.again() })
                    socket.send([
                        "type": "interject:join", "session_id": JSONValue(self.target.sessionID),
                        "starting_after": JSONValue(self.lastSequence),
                    ])
                    return socket
                }, failed: { _ in self.again() })
        }

        private func stream() throws {
            parser = ServerSentEventParser()
            let request = HTTPCall.Request(
                target: "\(target.path)/events",
                fields: [("Accept", "text/event-stream"), ("Last-Event-ID", String(lastSequence))])
            let handlers = HTTPCall.Handlers(
                body: { bytes in
                    var input = bytes
                    while let event = try? self.parser.next(&input) {
                        guard let json = try? JSONValue.parse(event.data),
                            let sequence = Int(String(decoding: self.parser.lastEventID, as: UTF8.self))
                        else { continue }
                        self.take(Self.line(json), sequence)
                    }
                }, ended: { _ in self.again() })
            try HTTPCall.start(request, to: target.server, on: loop, handlers)
        }

        private func take(_ line: String, _ sequence: Int) {
            if isDone { return }
            lines.append("\(sequence) \(line)")
            lastSequence = sequence
            if line.hasPrefix("response.completed") || line.hasPrefix("error ") {
                isDone = true
                whole(lines)
            }
        }

        static func line(_ event: JSONValue) -> String { "\(event["type"]?.string ?? "?") \(event["delta"]?.string ?? "")" }
    }

    @Test(arguments: [1, 2, 3, 4, 5, 6] as [UInt64]) func whatComesIsTheLogWhateverTheSocketsDo(_ seed: UInt64) async throws {
        let faults = Faults(seed: seed)
        var configuration = ServerConfiguration()
        configuration.addresses = [.tcp(host: "127.0.0.1", port: 0)]
        configuration.loops = 2
        configuration.connectionLayer = { faults.layer() }
        let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let server = try await Server.start(configuration, logger: quiet)
        let group = try EventLoopGroup(count: 1, logger: quiet)
        let loop = group.loops[0]
        let url = ServerURL(listener: server.addresses[0])
        func ask(_ method: String, _ target: String, _ body: JSONValue? = nil) async throws -> JSONValue {
            let request = HTTPCall.Request(
                method: method, target: target, fields: [("Accept", "application/json")], body: body?.serialized())
            return try JSONValue.parse(try await HTTPCall.answer(to: request, from: url, on: loop).get().body)
        }
        let made = try await ask("POST", "/v1/sessions", ["model": "rehearsal"])
        let target = SessionTarget(server: url, key: nil, sessionID: try #require(made["id"]?.string))
        _ = try await ask(
            "POST", "\(target.path)/input",
            ["input": "[[rehearsal tokens=300 pace=600]]", "disconnect": "continue"])
        faults.set(true)
        let followed: [String] = await withCheckedContinuation { continuation in
            loop.execute { Follower(target, on: loop) { continuation.resume(returning: $0) }.connect() }
        }
        faults.set(false)
        let page = try await ask("GET", "\(target.path)/events?starting_after=0&limit=10000")
        let log = (page["data"]?.array ?? []).map { event in
            "\(event["interject"]?["sequence"]?.int ?? -1) \(Follower.line(event))"
        }
        #expect(log.count > 300, "seed \(seed)")
        #expect(followed == log, "seed \(seed)")
        #expect(faults.resets > 3, "seed \(seed): too few connections to mean anything")
        await server.shutDown()
        group.shutDown()
    }
}

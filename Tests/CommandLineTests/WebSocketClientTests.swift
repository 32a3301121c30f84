import Bytes
import Glibc
import Logging
import Network
import Testing
import WebSocket

/// How a WebSocket does not open, each time with one clear error.
@Suite struct WebSocketClientTests {
    /// Answers every connection with the same bytes, and closes.
    private final class Answering: Connection {
        var answer = ""

        override func received(_ bytes: UnsafeMutableRawBufferPointer) {
            output.append(answer)
            finish()
        }
    }

    private func error(answer: String?) async throws -> WebSocketClientError? {
        let group = try EventLoopGroup(count: 1, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        defer { group.shutDown() }
        let listeners = try await ListenerSet(.tcp(host: "127.0.0.1", port: 0), group: group) { loop, descriptor, _ in
            let connection = Answering(loop: loop, descriptor: descriptor)
            connection.answer = answer ?? ""
            try? connection.start()
        }
        let address = listeners.address
        if answer == nil {
            listeners.stop()
            // Stopping is done on the loop: let it.
            try await Task.sleep(for: .milliseconds(20))
        }
        return await withCheckedContinuation { continuation in
            group.loops[0].execute {
                do throws(SystemCallError) {
                    try WebSocketClient.connect(
                        to: address, target: "/", host: "test", on: group.loops[0],
                        opened: { transport in
                            continuation.resume(returning: nil)
                            return WebSocketConnection(transport)
                        }, failed: { continuation.resume(returning: $0) })
                } catch {
                    continuation.resume(returning: .notConnected(errno: error.code))
                }
            }
        }
    }

    @Test func nobodyListens() async throws {
        guard case .notConnected(ECONNREFUSED) = try await error(answer: nil) else {
            Issue.record("not refused")
            return
        }
    }

    @Test func aRefusalComesWithItsBody() async throws {
        let answer = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 5\r\n\r\nhello"
        guard case .refused(status: 401, let body) = try await error(answer: answer) else {
            Issue.record("not refused")
            return
        }
        #expect(body == Array("hello".utf8))
    }

    @Test func aServerThatDoesNotUnderstandIsNoWebSocket() async throws {
        let accepted =
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: AAAA\r\n\r\n"
        guard case .handshake(.wrongAcceptKey) = try await error(answer: accepted) else {
            Issue.record("taken")
            return
        }
        guard case .notHTTP = try await error(answer: "SSH-2.0-OpenSSH_9.2 and more\r\n\r\n") else {
            Issue.record("taken")
            return
        }
        guard case .closed = try await error(answer: "HTTP/1.1 101 Switch") else {
            Issue.record("taken")
            return
        }
    }
}

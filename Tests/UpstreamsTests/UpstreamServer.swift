import Glibc
import LoopbackServer
import Synchronization

typealias UpstreamPeer = LoopbackPeer

/// An upstream that does as a test tells it.
final class UpstreamServer: Sendable {
    struct Request: Sendable {
        let head: String
        let body: String
    }

    private final class State: Sendable {
        let counts = Mutex((requests: [Request](), closesSeen: 0))
    }

    private let server: LoopbackServer
    private let state: State

    var port: UInt16 { server.port }
    var url: String { "\(server.url)/v1" }
    var requests: [Request] { state.counts.withLock { $0.requests } }
    /// Clients that left while the server had more to say.
    var closesSeen: Int { state.counts.withLock { $0.closesSeen } }

    /// - Parameter answer: called for each request, which is the n-th of the server, from 1.
    init(_ answer: @escaping @Sendable (UpstreamPeer, Int) -> Void) {
        let state = State()
        self.state = state
        server = LoopbackServer { peer in
            while let request = peer.readRequest() {
                let number = state.counts.withLock { counts in
                    counts.requests.append(Request(head: request.head, body: request.bodyText))
                    return counts.requests.count
                }
                answer(peer, number)
                if peer.sawClose {
                    state.counts.withLock { $0.closesSeen += 1 }
                    return
                }
                if peer.isClosed { return }
            }
        }
    }

    func stop() { server.stop() }
}

extension LoopbackPeer {
    func respond(_ status: Int, _ body: String, contentType: String = "application/json", fields: String = "") {
        send("HTTP/1.1 \(status) X\r\nContent-Type: \(contentType)\r\nContent-Length: \(body.utf8.count)\r\n\(fields)\r\n\(body)")
    }

    func beginStream() { sendStreamHead() }
    func endStream() { send("0\r\n\r\n") }

    /// One event of a chat stream.
    func say(_ text: String, finish: String? = nil) {
        let reason = finish.map { "\"\($0)\"" } ?? "null"
        sendChunk("data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\(text)\"},\"finish_reason\":\(reason)}]}\n\n")
    }

    /// A whole answer of two words.
    func answerHelloThere() {
        beginStream()
        say("Hello")
        say(" there", finish: "stop")
        sendChunk("data: [DONE]\n\n")
        endStream()
    }

    func cut() { reset() }
}

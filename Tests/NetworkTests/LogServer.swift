import Bytes
import HTTP
import Network
import WebSocket

/// A log and two ways to read it from a place on: `/events?after=N` as server-sent events, and `/ws`, where the number is the first
/// message. Events are given out a few in a turn, as a model would.
final class LogHandler: HTTPRequestHandler {
    let log: [String]

    init(_ log: [String]) { self.log = log }

    func terms(for request: RequestHead) -> RequestTerms? { RequestTerms(maxBodyBytes: 0) }
    func errorAnswer(for status: HTTPStatus, _ message: String) -> HTTPErrorAnswer { HTTPErrorAnswer(fields: [], body: []) }

    func handle(_ exchange: HTTPExchange) {
        let request = exchange.request
        if request.target.path == "/ws" {
            let handshake = HandshakeRequest(
                method: "\(request.method)", httpMinorVersion: request.minorVersion,
                fields: request.fields.map { ($0.name, $0.value) })
            do throws(HandshakeRejection) {
                exchange.upgrade(try ServerHandshake().accept(handshake), limits: WebSocketLimits()) { LogSocket($0, self.log) }
            } catch {
                exchange.respond(.badRequest)
            }
            return
        }
        let after = Int(QueryItems(request.target.query ?? "")["after"] ?? "") ?? 0
        exchange.beginStream(.ok, contentType: "text/event-stream")
        feed(exchange, after)
    }

    private func feed(_ exchange: HTTPExchange, _ position: Int) {
        guard let loop = exchange.loop, !exchange.isEnded else { return }
        if position == log.count {
            exchange.end()
            return
        }
        exchange.write { output in
            ServerSentEventWriter.begin(id: position + 1, into: &output)
            output.append(self.log[position])
            ServerSentEventWriter.end(into: &output)
        }
        loop.schedule(after: .zero) { self.feed(exchange, position + 1) }
    }
}

private final class LogSocket: WebSocketConnection {
    private let log: [String]

    init(_ transport: WebSocketTransport, _ log: [String]) {
        self.log = log
        super.init(transport)
    }

    override func receivedText(_ text: UnsafeRawBufferPointer) { feed(Int(String(decoding: text, as: UTF8.self)) ?? 0) }

    private func feed(_ position: Int) {
        guard isOpen else { return }
        if position == log.count {
            close(.normal)
            return
        }
        sendText { $0.append(self.log[position]) }
        loop.schedule(after: .zero) { [weak self] in self?.feed(position + 1) }
    }
}

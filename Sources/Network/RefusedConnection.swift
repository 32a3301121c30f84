import Bytes
import CLinux
import Glibc
import HTTP
import Logging

/// A connection over a limit: receives a refusal before sending a request, and is closed. Loop-confined.
final class RefusedConnection: Connection {
    /// Most refused connections that linger on one loop at a time; further ones are closed at once, because refusing must be cheap.
    static let maxAtATime = 64
    /// A TLS alert, the only possible answer without a handshake, which would cost more than the refusal. internal_error means a
    /// failure unrelated to the client or the protocol (RFC 8446 §6.2).
    private static let alert: [UInt8] = [21, 3, 3, 0, 2, 2, TLSAlert.internalError.rawValue]
    private var isCounted = false

    /// - Parameter inTLS: whether the client expects TLS, and so an alert instead of plain HTTP.
    static func refuse(
        _ descriptor: Int32, on loop: EventLoop, for refusal: AcceptGate.Refusal, by server: HTTPServer, inTLS: Bool
    ) {
        summarize(on: loop, server)
        // A lingering connection would keep a scarce descriptor.
        if descriptor >= DescriptorLimits.current.outgoing {
            send(answer(for: refusal, server, date: loop.httpDate, inTLS: inTLS), to: descriptor)
            close(descriptor)
            return
        }
        let connection = RefusedConnection(loop: loop, descriptor: descriptor)
        guard loop.refusedCount < maxAtATime, (try? connection.start()) != nil else {
            connection.abort(reset: true)
            return
        }
        loop.refusedCount += 1
        connection.isCounted = true
        connection.output.append(answer(for: refusal, server, date: loop.httpDate, inTLS: inTLS))
        connection.finish()
    }

    /// Sends the refusal to a client on the spare descriptor. The caller closes it.
    static func answerAtOnce(_ descriptor: Int32, on loop: EventLoop, by server: HTTPServer, inTLS: Bool) {
        server.gate.noteRefusal()
        summarize(on: loop, server)
        send(answer(for: .total, server, date: loop.httpDate, inTLS: inTLS), to: descriptor)
    }

    private static func summarize(on loop: EventLoop, _ server: HTTPServer) {
        guard let summary = server.gate.summary(now: loop.now) else { return }
        let counts = summary.map { ($0.key.rawValue, Logger.MetadataValue.stringConvertible($0.value)) }
        // number-safe: one entry for each reason
        loop.logger.notice("connections refused", metadata: Dictionary(uniqueKeysWithValues: counts))
    }

    /// Sends the bytes, which fit into a new socket's buffer, and shuts the socket down.
    private static func send(_ bytes: [UInt8], to descriptor: Int32) {
        bytes.withUnsafeBytes { _ = Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
        shutdown(descriptor, Int32(SHUT_WR))
        // Closing a socket with unread bytes resets it, and the answer could be lost.
        withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 1) { buffer in
            for _ in 0..<64 { if recv(descriptor, buffer.baseAddress, buffer.count, Int32(MSG_DONTWAIT)) <= 0 { return } }
        }
    }

    private static func answer(
        for refusal: AcceptGate.Refusal, _ server: HTTPServer, date: String, inTLS: Bool
    ) -> [UInt8] {
        if inTLS { return alert }
        var output = ByteBuffer()
        let status: HTTPStatus = refusal == .total ? .serviceUnavailable : .tooManyRequests
        let message =
            switch refusal {
            case .total: "The server has as many connections as it takes. Try again later."
            case .perAddress: "Your address has as many connections as it may. Close one, or try again later."
            case .rate: "Too many connections come from your address. Try again in a moment."
            }
        let answer = server.handler.errorAnswer(for: status, message)
        var writer = ResponseWriter(keepAlive: false)
        writer.begin(status, date: date, into: &output)
        for field in answer.fields + server.handler.pageFields(origin: nil, isHeadWhole: false) {
            try? writer.field(field.name, field.value, into: &output)
        }
        try? writer.field("Retry-After", refusal == .rate ? "1" : "10", into: &output)
        writer.endHead(.bytes(answer.body.count), into: &output)
        answer.body.withUnsafeBytes { writer.write($0, into: &output) }
        writer.end(into: &output)
        return output.array
    }

    override func ended(_ end: End) { if isCounted { loop.refusedCount -= 1 } }
}

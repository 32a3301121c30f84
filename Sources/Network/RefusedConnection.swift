import HTTP
import Logging

/// A connection over a limit: it is told so, without being asked what it wanted, and closed. Loop-confined.
final class RefusedConnection: Connection {
    /// Those that linger at a time on one loop; further ones are closed at once, since refusing must cost next to nothing.
    static let maxAtATime = 64
    private var isCounted = false

    static func refuse(_ descriptor: Int32, on loop: EventLoop, for refusal: AcceptGate.Refusal, by server: HTTPServer) {
        if let summary = server.gate.summary(now: loop.now) {
            let counts = summary.map { ($0.key.rawValue, Logger.MetadataValue.stringConvertible($0.value)) }
            loop.logger.notice("connections refused", metadata: Dictionary(uniqueKeysWithValues: counts))
        }
        let connection = RefusedConnection(loop: loop, descriptor: descriptor)
        guard loop.refusedCount < maxAtATime, (try? connection.start()) != nil else {
            connection.abort(reset: true)
            return
        }
        loop.refusedCount += 1
        connection.isCounted = true
        let status: HTTPStatus = refusal == .total ? .serviceUnavailable : .tooManyRequests
        let message =
            switch refusal {
            case .total: "The server has as many connections as it takes. Try again later."
            case .perAddress: "Your address has as many connections as it may. Close one, or try again later."
            case .rate: "Too many connections come from your address. Try again in a moment."
            }
        let answer = server.handler.errorAnswer(for: status, message)
        var writer = ResponseWriter(keepAlive: false)
        writer.begin(status, date: loop.httpDate, into: &connection.output)
        for field in answer.fields { try? writer.field(field.name, field.value, into: &connection.output) }
        try? writer.field("Retry-After", refusal == .rate ? "1" : "10", into: &connection.output)
        writer.endHead(.bytes(answer.body.count), into: &connection.output)
        answer.body.withUnsafeBytes { writer.write($0, into: &connection.output) }
        writer.end(into: &connection.output)
        connection.finish()
    }

    override func ended(_ end: End) { if isCounted { loop.refusedCount -= 1 } }
}

import Bytes
import HTTP

/// A request that is none, or that nobody waits for: an answer of the connection's own, and the end, since nobody knows where the
/// next request would begin.
extension HTTPConnection {
    /// A head that is only too large, whose rest is looked at for the page that sent it before the answer leaves.
    final class PendingRefusal {
        let error: MessageError
        var scan: OriginScan

        init(_ error: MessageError, _ scan: OriginScan) {
            self.error = error
            self.scan = scan
        }
    }

    /// How long the rest of a head may take that is too large: what is on its way comes at once.
    static let pendingRefusalDuration = Duration.seconds(1)

    /// - Parameter rest: what has come behind the bytes that were refused.
    func refuse(_ error: MessageError, rest: UnsafeRawBufferPointer) {
        guard head == nil, exchange == nil, parser.partialHead?.fields.contains("origin") != true else {
            refuse(error)
            return
        }
        var scan = OriginScan(isWithinLine: parser.hasFailedWithinLine)
        scan.scan(rest)
        guard error.isSizeOfHead, !scan.isDone else {
            refuse(error, scan)
            return
        }
        pendingRefusal = PendingRefusal(error, scan)
        phase = .refusing
        phaseEnds = loop.now + Self.pendingRefusalDuration
        watchDeadline()
    }

    /// Takes more of the head that is refused.
    func scan(_ bytes: UnsafeRawBufferPointer, for refusal: PendingRefusal) {
        refusal.scan.scan(bytes)
        if refusal.scan.isDone { concludeRefusal() }
    }

    /// Answers what was refused, with what is known by now.
    func concludeRefusal() {
        guard let refusal = pendingRefusal else { return }
        pendingRefusal = nil
        refuse(refusal.error, refusal.scan)
    }

    func refuse(_ error: MessageError, _ scan: OriginScan? = nil) {
        var answer = server.handler.errorAnswer(for: error.answer, error.advice)
        answer.fields += error.answerFields
        refuse(error.answer, answer, scanned: scan)
    }

    func refuseForRoom() {
        body = ReceivedBody()
        held.clear(on: loop)
        refuse(.serviceUnavailable, server.handler.noRoomAnswer)
    }

    func refuse(_ status: HTTPStatus, _ message: String) {
        refuse(status, server.handler.errorAnswer(for: status, message))
    }

    /// - Parameter scanned: what was found of the head behind the bytes that were refused.
    func refuse(_ status: HTTPStatus, _ answer: HTTPErrorAnswer, scanned: OriginScan? = nil) {
        let request = head ?? exchange?.request
        let partial = request == nil ? parser.partialHead : nil
        if let exchange {
            // Its body was being read: it is not going to be whole.
            self.exchange = nil
            let hasBegun = exchange.hasBegun
            exchange.disconnected()
            if hasBegun {
                abort(reset: true)
                return
            }
        }
        let method = request?.method ?? partial?.method
        server.handler.requestRefused(
            RefusedRequest(
                status: status, method: method, path: request?.target.path ?? partial?.path, peer: peer,
                connectionID: client.connectionID(on: loop), answerFields: answer.fields), on: loop)
        let origin = (request?.fields ?? partial?.fields)?["origin"] ?? scanned?.origin
        var writer = ResponseWriter(method: method ?? .get, keepAlive: false)
        writer.begin(status, date: loop.httpDate, into: &output)
        let fields =
            answer.fields + server.handler.pageFields(origin: origin, isHeadWhole: request != nil || scanned?.isDone == true)
        for field in fields { try? writer.field(field.name, field.value, into: &output) }
        writer.endHead(.bytes(answer.body.count), into: &output)
        answer.body.withUnsafeBytes { writer.write($0, into: &output) }
        writer.end(into: &output)
        head = nil
        body = ReceivedBody()
        encodedBody = nil
        finish()
    }
}

import Bytes
import HTTP

/// Refusals by the connection itself: invalid requests and timeouts. The connection then closes, because the start of the next
/// request is unknown.
extension HTTPConnection {
    /// A refused head that is only too large: its rest is scanned for Origin before the answer is sent.
    final class PendingRefusal {
        let error: MessageError
        var scan: OriginScan

        init(_ error: MessageError, _ scan: OriginScan) {
            self.error = error
            self.scan = scan
        }
    }

    /// How long to wait for the rest of an oversized head.
    static let pendingRefusalDuration = Duration.seconds(1)

    /// - Parameter rest: received bytes after the refused ones.
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

    /// Scans more of the refused head.
    func scan(_ bytes: UnsafeRawBufferPointer, for refusal: PendingRefusal) {
        refusal.scan.scan(bytes)
        if refusal.scan.isDone { concludeRefusal() }
    }

    /// Sends the pending refusal.
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

    /// - Parameter scanned: result of scanning the head after the refused bytes.
    func refuse(_ status: HTTPStatus, _ answer: HTTPErrorAnswer, scanned: OriginScan? = nil) {
        let request = head ?? exchange?.request
        let partial = request == nil ? parser.partialHead : nil
        if let exchange {
            // Its body was being read, and will not be complete.
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

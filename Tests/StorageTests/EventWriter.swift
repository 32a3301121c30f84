import Bytes

@testable import Sessions

/// Makes events as a session does: pieces of text of one response, or its end.
struct EventWriter {
    /// What all of them are of, unless they are the session's own.
    static let item = ResponseItem(id: "msg_1", index: 3, kind: .message)

    private let log: SessionLog
    private let response: ResponseHeader?

    /// - Parameters:
    ///   - position: of the event before the first.
    ///   - response: nil for events of the session itself.
    init(after position: Int = 0, of response: ResponseHeader? = ResponseHeader("resp_1", sessionID: "sess_1", ordinal: 1)) {
        log = SessionLog(maxByteCount: .max, pages: [], lastPosition: position, endOffset: 0)
        self.response = response
    }

    /// Appends the announcement of the item.
    func announce() -> SessionEvent {
        var body = ByteBuffer()
        Self.item.write(to: &body)
        body.append(optional: nil)
        return log.append(.outputItemAdded, response, responseSequence: log.lastPosition, Self.item, body: body.bytes)
    }

    /// Appends a piece of text.
    /// - Parameter isEnd: for an event of another kind with the same body, after which the response has ended.
    @discardableResult
    func append(_ text: String, isEnd: Bool = false) -> SessionEvent {
        var body = ByteBuffer()
        body.append(SessionEvent.TextForm.plain.rawValue)
        body.append(varint: 0)
        body.append(Array(text.utf8))
        let position = log.lastPosition + 1
        return log.append(
            isEnd ? .responseCompleted : .outputTextDelta, response, responseSequence: response == nil ? -1 : position - 1,
            response == nil ? nil : Self.item, body: body.bytes)
    }
}

extension SessionEvent {
    /// What ``EventWriter`` wrote.
    var text: String { withText { text, _ in String(decoding: text, as: UTF8.self) } }
}

import Bytes
import WebSocket

/// A long message of a WebSocket, sent in fragments as fast as the peer reads, and the messages queued behind it.
///
/// Fragments (RFC 6455 §5.4) rather than pieces of one frame, so that pings, pongs and the close frame can be sent between them.
final class LongMessages {
    private var kind: MessageKind
    private var output: PiecewiseOutput
    private var byteCount: Int
    private var hasStarted = false
    private var behind: [(kind: MessageKind, payload: [UInt8])] = []
    /// Payload not yet sent, in bytes.
    private(set) var heldByteCount: Int
    /// Whether an iteration of the loop is due to send the next fragment.
    var isScheduled = false
    /// The close frame that follows all of it.
    var closing: (code: CloseCode, reason: String)?

    init(_ kind: MessageKind, _ payload: [UInt8]) {
        self.kind = kind
        output = PiecewiseOutput(payload)
        byteCount = payload.count
        heldByteCount = payload.count
    }

    var hasMessagesBehind: Bool { !behind.isEmpty }

    func append(_ kind: MessageKind, _ payload: [UInt8]) {
        behind.append((kind, payload))
        heldByteCount += payload.count
    }

    /// Sends the next fragment, and after the last one the messages up to the next long one.
    /// - Returns: whether all is sent.
    func sendNext(_ endpoint: inout WebSocketEndpoint, into out: inout ByteBuffer) throws(SendError) -> Bool {
        try sendFragment(&endpoint, into: &out)
        guard output.isDone else { return false }
        for (index, message) in behind.enumerated() {
            guard message.payload.count < PiecewiseOutput.leastByteCount else {
                kind = message.kind
                output = PiecewiseOutput(message.payload)
                byteCount = message.payload.count
                hasStarted = false
                behind.removeFirst(index + 1)
                return false
            }
            try endpoint.send(message.kind, payload: message.payload, into: &out)
            heldByteCount -= message.payload.count
        }
        behind = []
        return true
    }

    private func sendFragment(_ endpoint: inout WebSocketEndpoint, into out: inout ByteBuffer) throws(SendError) {
        let piece = output.next()
        heldByteCount -= piece.count
        let isFirst = !hasStarted
        hasStarted = true
        let result = piece.withUnsafeBytes { bytes in
            Result { () throws(SendError) in
                switch (isFirst, output.isDone) {
                case (true, true): try endpoint.send(kind, bytes, into: &out)
                case (true, false): try endpoint.startMessage(kind, bytes, byteCount: byteCount, into: &out)
                case (false, false): try endpoint.continueMessage(bytes, into: &out)
                case (false, true): try endpoint.endMessage(bytes, into: &out)
                }
            }
        }
        try result.get()
    }
}

extension WebSocketEndpoint {
    /// Sends a message as one frame.
    fileprivate mutating func send(_ kind: MessageKind, payload: [UInt8], into output: inout ByteBuffer) throws(SendError) {
        let result = payload.withUnsafeBytes { bytes in
            Result { () throws(SendError) in try send(kind, bytes, into: &output) }
        }
        try result.get()
    }
}

import Bytes

/// The length of a body, as known to its writer.
public enum BodyLength: Sendable, Hashable {
    case bytes(Int)
    /// Chunked in HTTP/1.1, delimited by closing the connection in HTTP/1.0.
    case unknown
}

/// Frames the body of one message, in either role. Limits writes to the announced length.
struct BodyWriter: Sendable {
    private enum State {
        /// Bytes are discarded: HEAD, 204, 304.
        case suppressed
        case length(remaining: Int)
        case chunked
        case untilClose
        case ended
    }

    private var state = State.ended
    private var chunks = ChunkEncoder()

    init() {}
    static let suppressed = BodyWriter(.suppressed)
    static let chunked = BodyWriter(.chunked)
    static let untilClose = BodyWriter(.untilClose)
    static func length(_ byteCount: Int) -> BodyWriter { BodyWriter(.length(remaining: byteCount)) }
    private init(_ state: State) { self.state = state }

    mutating func write(_ data: UnsafeRawBufferPointer, _ output: inout ByteBuffer) {
        if case .chunked = state {
            ChunkEncoder.append(data, &output)
        } else {
            let start = beginPiece(&output)
            output.append(data)
            endPiece(start, &output)
        }
    }

    func beginPiece(_ output: inout ByteBuffer) -> Int {
        if case .chunked = state { return chunks.begin(&output) }
        return output.count
    }

    mutating func endPiece(_ start: Int, _ output: inout ByteBuffer) {
        let count = output.count - start
        switch state {
        case .chunked:
            chunks.end(start, &output)
        case .untilClose:
            break
        case .length(let remaining):
            // Excess bytes would be read as the next message.
            output.removeLast(max(0, count - remaining))
            state = .length(remaining: max(0, remaining - count))
        case .suppressed, .ended:
            output.removeLast(count)
        }
    }

    /// Ends the body.
    /// - Returns: whether the peer can detect the end, so that the connection can be reused.
    mutating func end(_ output: inout ByteBuffer) -> Bool {
        defer { state = .ended }
        switch state {
        case .chunked:
            ChunkEncoder.appendLast(&output)
            return true
        case .length(let remaining): return remaining == 0
        case .untilClose: return false
        case .suppressed, .ended: return true
        }
    }
}

extension ByteBuffer {
    /// Checks against header injection, then appends `name: value CRLF`.
    mutating func appendField(_ name: String, _ value: String) throws(FieldError) {
        try FieldError.check(name: name, value: value)
        append(name)
        append(": ")
        append(value)
        append("\r\n")
    }
}

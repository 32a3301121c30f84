import Bytes

/// Parses HTTP/1.x responses (client role), without I/O, for tools and tests. Pull style like ``RequestParser``. Interim responses
/// are skipped, except 101, after which the input belongs to the new protocol.
public struct ResponseParser: ~Copyable {
    public enum Event {
        case needsMoreBytes
        case head(ResponseHead)
        /// A piece of the body, valid as long as the input.
        case body(UnsafeRawBufferPointer)
        case end
    }

    private enum State {
        case startLine
        case fields(StatusLine)
        case body(remaining: Int)
        case chunks
        case untilClose
        case end
        case closed
        case failed(MessageError)
    }

    private var state = State.startLine
    private let limits: MessageLimits
    private var answersHead: Bool
    private var lines = LineReader()
    private var fields = HeaderFields()
    private var headerByteCount = 0
    private var bodyByteCount = 0
    private var chunks = ChunkedDecoder()
    private var keepAlive = true

    /// - Parameter answersHead: whether the first request was HEAD.
    public init(limits: MessageLimits = MessageLimits(), answersHead: Bool = false) {
        self.limits = limits
        self.answersHead = answersHead
    }

    /// Sets whether the next response answers HEAD and so has no body.
    public mutating func expectResponse(toHead answersHead: Bool) { self.answersHead = answersHead }

    /// The next event; consumes its bytes from the front of `input`.
    public mutating func next(_ input: inout UnsafeRawBufferPointer) throws(MessageError) -> Event {
        do {
            return try step(&input)
        } catch {
            state = .failed(error)
            lines.release()
            throw error
        }
    }

    /// Call when the connection has ended.
    /// - Returns: true if this completed a body without a length.
    /// - Throws: ``MessageError/truncated`` if a response is incomplete.
    public mutating func finish() throws(MessageError) -> Bool {
        switch state {
        case .startLine where !lines.holdsPartialLine: return false
        case .closed: return false
        case .untilClose, .end:
            state = .closed
            return true
        case .failed(let error): throw error
        case .startLine, .fields, .body, .chunks:
            state = .failed(.truncated)
            throw .truncated
        }
    }

    private mutating func step(_ input: inout UnsafeRawBufferPointer) throws(MessageError) -> Event {
        while true {
            switch state {
            case .startLine:
                let limit = limits.maxStartLineBytes
                guard let text = try nextLine(&input, limit, .fieldsTooLarge(limitBytes: limit)) else {
                    return .needsMoreBytes
                }
                state = .fields(try StatusLine(text))
                fields = HeaderFields()
                headerByteCount = 0
            case .fields(let line):
                let limit = limits.maxHeaderBytes
                guard let text = try nextLine(&input, limit - headerByteCount, .fieldsTooLarge(limitBytes: limit))
                else {
                    return .needsMoreBytes
                }
                if text.isEmpty {
                    if let head = try finishHead(line) { return .head(head) }
                    continue
                }
                headerByteCount += text.count + 2
                guard headerByteCount <= limit else { throw .fieldsTooLarge(limitBytes: limit) }
                guard fields.count < limits.maxHeaderFields else { throw .tooManyFields(limit: limits.maxHeaderFields) }
                try FieldLine.parse(text, into: &fields)
            case .body(let remaining):
                guard input.count > 0 else { return .needsMoreBytes }
                let part = input.slice(0, min(remaining, input.count))
                input = input.slice(part.count, input.count)
                state = part.count == remaining ? .end : .body(remaining: remaining - part.count)
                return .body(part)
            case .chunks:
                switch try chunks.next(&input, limits) {
                case .needsMoreBytes: return .needsMoreBytes
                case .data(let data): return .body(data)
                case .end: state = .end
                }
            case .untilClose:
                guard input.count > 0 else { return .needsMoreBytes }
                // Up to the limit, so that the result does not depend on how the input was split.
                let part = input.slice(0, min(input.count, limits.maxBodyBytes - bodyByteCount))
                guard part.count > 0 else { throw .bodyTooLarge(limitBytes: limits.maxBodyBytes) }
                bodyByteCount += part.count
                input = input.slice(part.count, input.count)
                return .body(part)
            case .end:
                state = keepAlive ? .startLine : .closed
                return .end
            case .closed:
                return .needsMoreBytes
            case .failed(let error):
                throw error
            }
        }
    }

    /// Nil for an interim response that is skipped.
    private mutating func finishHead(_ line: StatusLine) throws(MessageError) -> ResponseHead? {
        let head = try ResponseHead(line, fields, answersHead: answersHead, maxBodyBytes: limits.maxBodyBytes)
        fields = HeaderFields()
        lines.release()
        if head.status.isInterim, head.status != .switchingProtocols {
            state = .startLine
            return nil
        }
        keepAlive = head.keepAlive && head.status != .switchingProtocols
        switch head.body {
        case .none: state = .end
        case .length(let byteCount): state = .body(remaining: byteCount)
        case .chunked:
            chunks = ChunkedDecoder()
            state = .chunks
        case .untilClose:
            bodyByteCount = 0
            state = .untilClose
        }
        return head
    }

    private mutating func nextLine(
        _ input: inout UnsafeRawBufferPointer, _ maxBytes: Int, _ tooLong: MessageError
    ) throws(MessageError) -> UnsafeRawBufferPointer? {
        do {
            return try lines.next(&input, maxBytes: maxBytes)
        } catch {
            throw error == .tooLong ? tooLong : .bareLineFeed
        }
    }
}

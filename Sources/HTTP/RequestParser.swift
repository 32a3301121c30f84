import Bytes

/// Reads HTTP/1.1 and HTTP/1.0 requests from a connection (RFC 9112), server role, without I/O.
///
/// Pull style: give the bytes that came, call ``next(_:)`` until it answers ``Event/needsMoreBytes``. Each call takes
/// what it used from the front of the input, so the caller may stop after any event and keep the rest: after ``Event/end``
/// until the response is written (pipelining), or after ``Event/head`` for ever (the bytes of an upgraded protocol).
/// Body bytes are views into the input, never copied. A head that lies whole in the input is parsed in place.
///
/// Strict on purpose: whatever two readers of the same bytes could understand differently is refused.
public struct RequestParser: ~Copyable {
    public enum Event {
        /// All input is used up; call again when more has arrived.
        case needsMoreBytes
        case head(RequestHead)
        /// Some of the body, valid as long as the input.
        case body(UnsafeRawBufferPointer)
        /// The request is complete. Comes after every head that was not an error, also without a body.
        case end
    }

    private enum State {
        case startLine(emptyLineSkipped: Bool)
        case fields
        case body(remaining: Int)
        case chunks
        case end
        /// The client said that this was its last request: the rest is dropped (RFC 9112 §9.6).
        case closed
        case failed(MessageError)
    }

    private var state = State.startLine(emptyLineSkipped: false)
    private var limits: MessageLimits
    private var routeMaxBodyBytes: Int?
    private var lines = LineReader()
    private var line: RequestLine?
    private var fields = HeaderFields()
    private var headerByteCount = 0
    private var chunks = ChunkedDecoder()
    private var keepAlive = true
    /// Whether what is left of the input after a failure begins within the line that failed.
    public private(set) var hasFailedWithinLine = false

    /// What was read of a head that is not whole: its method, target and fields so far, also after a failure in it.
    public var partialHead: (method: HTTPMethod, path: String, fields: HeaderFields)? {
        line.map { ($0.method, $0.target.path, fields) }
    }

    public init(limits: MessageLimits = MessageLimits()) {
        self.limits = limits
    }

    /// Whether no byte of a request has come since the last one ended: the connection may be closed without harm, and
    /// the idle deadline applies, not the one for a head that has begun.
    public var isIdle: Bool {
        if case .startLine(false) = state { return !lines.holdsPartialLine }
        return false
    }

    /// Whether a head has begun and not ended: the deadline against slow senders applies.
    public var isReadingHead: Bool {
        switch state {
        case .startLine: !isIdle
        case .fields: true
        default: false
        }
    }

    /// Lowers the body limit for this request; to be called right after its head.
    /// - Throws: ``MessageError/bodyTooLarge(limitBytes:)`` if the announced length is larger.
    public mutating func restrictBody(toBytes maxBodyBytes: Int) throws(MessageError) {
        if case .body(let remaining) = state, remaining > maxBodyBytes {
            state = .failed(.bodyTooLarge(limitBytes: maxBodyBytes))
            throw .bodyTooLarge(limitBytes: maxBodyBytes)
        }
        routeMaxBodyBytes = min(maxBodyBytes, limits.maxBodyBytes)
    }

    /// The next event; takes the bytes it used from the front of `input`.
    /// - Throws: the same ``MessageError`` on every later call, too.
    public mutating func next(_ input: inout UnsafeRawBufferPointer) throws(MessageError) -> Event {
        do {
            return try step(&input)
        } catch {
            state = .failed(error)
            lines.release()
            throw error
        }
    }

    private mutating func step(_ input: inout UnsafeRawBufferPointer) throws(MessageError) -> Event {
        while true {
            switch state {
            case .startLine(let emptyLineSkipped):
                guard try readStartLine(&input, emptyLineSkipped) else { return .needsMoreBytes }
            case .fields:
                guard let head = try readFields(&input) else { return .needsMoreBytes }
                return .head(head)
            case .body(let remaining):
                guard input.count > 0 else { return .needsMoreBytes }
                let part = input.slice(0, min(remaining, input.count))
                input = input.slice(part.count, input.count)
                state = part.count == remaining ? .end : .body(remaining: remaining - part.count)
                return .body(part)
            case .chunks:
                var limits = limits
                limits.maxBodyBytes = routeMaxBodyBytes ?? limits.maxBodyBytes
                switch try chunks.next(&input, limits) {
                case .needsMoreBytes: return .needsMoreBytes
                case .data(let data): return .body(data)
                case .end: state = .end
                }
            case .end:
                state = keepAlive ? .startLine(emptyLineSkipped: false) : .closed
                return .end
            case .closed:
                input = input.slice(input.count, input.count)
                return .needsMoreBytes
            case .failed(let error):
                throw error
            }
        }
    }

    /// False if more input is needed.
    private mutating func readStartLine(
        _ input: inout UnsafeRawBufferPointer, _ emptyLineSkipped: Bool
    ) throws(MessageError) -> Bool {
        if !lines.holdsPartialLine {
            guard let first = input.first else { return false }
            // A TLS hello or other noise is refused at once, not when its first LF comes.
            guard OctetSet.token.contains(first) || first == .carriageReturn else {
                throw first == .lineFeed ? .bareLineFeed : .invalidMethod
            }
        }
        let limit = limits.maxStartLineBytes
        guard let text = try nextLine(&input, maxBytes: limit, orThrow: .requestLineTooLong(limitBytes: limit)) else {
            return false
        }
        if text.isEmpty {
            // Old clients end a body with an extra CRLF (RFC 9112 §2.2): one is skipped, more are noise.
            if emptyLineSkipped { throw .repeatedEmptyLine }
            state = .startLine(emptyLineSkipped: true)
            return true
        }
        line = try RequestLine(text)
        headerByteCount = 0
        fields = HeaderFields()
        fields.reserve(fields: 16, bytes: min(max(input.count, 256), 2048))
        state = .fields
        return true
    }

    private mutating func readFields(_ input: inout UnsafeRawBufferPointer) throws(MessageError) -> RequestHead? {
        let limit = limits.maxHeaderBytes
        while let text = try nextLine(
            &input, maxBytes: limit - headerByteCount, orThrow: .fieldsTooLarge(limitBytes: limit))
        {
            if text.isEmpty { return try finishHead() }
            headerByteCount += text.count + 2
            try FieldLine.parse(text, into: &fields)
            // Behind the line's parsing: the page that sent it may be named in it.
            guard headerByteCount <= limit else { throw .fieldsTooLarge(limitBytes: limit) }
            guard fields.count <= limits.maxHeaderFields else { throw .tooManyFields(limit: limits.maxHeaderFields) }
        }
        return nil
    }

    private mutating func finishHead() throws(MessageError) -> RequestHead? {
        guard let line else { return nil }
        let head = try RequestHead(line, fields, maxBodyBytes: limits.maxBodyBytes)
        self.line = nil
        fields = HeaderFields()
        lines.release()
        keepAlive = head.keepAlive
        routeMaxBodyBytes = nil
        switch head.body {
        case .none, .untilClose: state = .end
        case .length(let byteCount): state = .body(remaining: byteCount)
        case .chunked:
            chunks = ChunkedDecoder()
            state = .chunks
        }
        return head
    }

    private mutating func nextLine(
        _ input: inout UnsafeRawBufferPointer, maxBytes: Int, orThrow tooLong: MessageError
    ) throws(MessageError) -> UnsafeRawBufferPointer? {
        do {
            return try lines.next(&input, maxBytes: maxBytes)
        } catch {
            hasFailedWithinLine = true
            throw error == .tooLong ? tooLong : .bareLineFeed
        }
    }
}

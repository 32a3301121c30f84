import Bytes

/// Parses the HTTP/1.1 and HTTP/1.0 requests of a connection (RFC 9112), server role, without I/O.
///
/// Pull style: call ``next(_:)`` with the received bytes until it returns ``Event/needsMoreBytes``. Each call consumes bytes from
/// the front of the input, so the caller can stop after any event and retain the rest: after ``Event/end`` until the response is
/// written (pipelining), or after ``Event/head`` for good (the bytes of an upgraded protocol). Body bytes are views into the input,
/// never copied. A head that is complete in the input is parsed in place.
///
/// Deliberately strict: anything that two parsers could interpret differently is refused.
public struct RequestParser: ~Copyable {
    public enum Event {
        /// All input is consumed; call again with more.
        case needsMoreBytes
        case head(RequestHead)
        /// A piece of the body, valid as long as the input.
        case body(UnsafeRawBufferPointer)
        /// The request is complete. Follows every valid head, also without a body.
        case end
    }

    private enum State {
        case startLine(emptyLineSkipped: Bool)
        case fields
        case body(remaining: Int)
        case chunks
        case end
        /// The client announced its last request: the rest is discarded (RFC 9112 §9.6).
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
    /// Whether the input left after an error begins within the invalid line.
    public private(set) var hasFailedWithinLine = false

    /// Method, path and fields read so far of an incomplete head, also after an error in it.
    public var partialHead: (method: HTTPMethod, path: String, fields: HeaderFields)? {
        line.map { ($0.method, $0.target.path, fields) }
    }

    public init(limits: MessageLimits = MessageLimits()) {
        self.limits = limits
    }

    /// Whether no byte has arrived since the last request ended: the connection can be closed safely, and the idle deadline applies
    /// instead of the one for heads.
    public var isIdle: Bool {
        if case .startLine(false) = state { return !lines.holdsPartialLine }
        return false
    }

    /// Whether a head is incomplete: the deadline for heads applies.
    public var isReadingHead: Bool {
        switch state {
        case .startLine: !isIdle
        case .fields: true
        default: false
        }
    }

    /// Lowers the body limit for this request. Call right after its head.
    /// - Throws: ``MessageError/bodyTooLarge(limitBytes:)`` if the announced length is larger.
    public mutating func restrictBody(toBytes maxBodyBytes: Int) throws(MessageError) {
        if case .body(let remaining) = state, remaining > maxBodyBytes {
            state = .failed(.bodyTooLarge(limitBytes: maxBodyBytes))
            throw .bodyTooLarge(limitBytes: maxBodyBytes)
        }
        routeMaxBodyBytes = min(maxBodyBytes, limits.maxBodyBytes)
    }

    /// The next event; consumes its bytes from the front of `input`.
    /// - Throws: ``MessageError``, and the same one on every later call.
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
            // A TLS hello or other noise is refused at once, without waiting for an LF.
            guard OctetSet.token.contains(first) || first == .carriageReturn else {
                throw first == .lineFeed ? .bareLineFeed : .invalidMethod
            }
        }
        let limit = limits.maxStartLineBytes
        guard let text = try nextLine(&input, maxBytes: limit, orThrow: .requestLineTooLong(limitBytes: limit)) else {
            return false
        }
        if text.isEmpty {
            // Old clients send an extra CRLF after a body (RFC 9112 §2.2): one is skipped, more are refused.
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
            // After parsing the line, because it may be the Origin field, which the answer needs.
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

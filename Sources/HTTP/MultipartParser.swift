import Bytes

/// Parses a `multipart/form-data` body (RFC 7578) incrementally, without I/O.
///
/// Pull style, like ``RequestParser``: call ``next(_:)`` with the received bytes until it returns ``Event/needsMoreBytes``; each
/// call consumes bytes from the front of the input. Data is never copied, and never delayed except for a possible start of a
/// boundary, at most 74 bytes. Call ``finish()`` after the last byte of the body.
///
/// Strict: no preamble, epilogue, nested multiparts or transfer encodings, which form clients do not send.
public struct MultipartParser: ~Copyable {
    /// Limits of a form.
    public struct Limits: Sendable, Hashable {
        public var maxParts = 32
        /// The header lines of one part with their CRLFs, in bytes.
        public var maxHeaderBytes = 8192

        public init() {}
    }

    public enum Event {
        /// All input is consumed; call again with more.
        case needsMoreBytes
        /// The start of a part.
        case part(MultipartHead)
        /// A piece of the part's data, valid as long as the input and until the next call.
        case data(UnsafeRawBufferPointer)
        case partEnd
        /// The last boundary.
        case end
    }

    private enum State {
        /// In data, with this many bytes of the delimiter matched.
        case data(matched: Int)
        /// At the start of the body: only the delimiter is allowed.
        case start(matched: Int)
        /// After a delimiter.
        case afterDelimiter
        case afterDelimiterCR
        case afterDelimiterDash
        case headers
        /// After the last boundary: CRLF may follow.
        case epilogue(matched: Int)
        case failed(MultipartError)
    }

    private let limits: Limits
    /// CRLF, two dashes, the boundary.
    private var delimiter = ByteBuffer()
    private var state = State.start(matched: 2)
    private var partCount = 0
    private var lines = LineReader()
    private var headerByteCount = 0
    private var fields: [(name: String, value: String)] = []

    /// - Parameter contentType: value of the Content-Type field.
    public init(contentType: String, limits: Limits = Limits()) throws(MultipartError) {
        guard let parameters = Parameters(contentType), parameters.value == "multipart/form-data",
            let boundary = parameters["boundary"], (1...70).contains(boundary.utf8.count),
            boundary.utf8.allSatisfy(Self.isBoundaryByte), boundary.utf8.last != UInt8.space
        else { throw .invalidContentType }
        self.limits = limits
        delimiter.append("\r\n--" as StaticString)
        delimiter.append(boundary)
    }

    /// `bchars` of RFC 2046 §5.1.1.
    private static func isBoundaryByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 48...57, 65...90, 97...122: true
        default: "'()+_,-./:=? ".utf8.contains(byte)
        }
    }

    /// The next event; consumes its bytes from the front of `input`.
    /// - Throws: ``MultipartError``, and the same one on every later call.
    public mutating func next(_ input: inout UnsafeRawBufferPointer) throws(MultipartError) -> Event {
        do {
            return try step(&input)
        } catch {
            state = .failed(error)
            lines.release()
            throw error
        }
    }

    /// Call at the end of the body.
    /// - Throws: ``MultipartError/truncated`` if the last boundary has not been read.
    public func finish() throws(MultipartError) {
        switch state {
        case .epilogue(let matched) where matched != 1: break
        case .failed(let error): throw error
        default: throw .truncated
        }
    }

    private mutating func step(_ input: inout UnsafeRawBufferPointer) throws(MultipartError) -> Event {
        while true {
            switch state {
            case .data(let matched):
                if let event = readData(&input, matched: matched) { return event }
            case .start(let matched):
                guard try readStart(&input, matched: matched) else { return .needsMoreBytes }
            case .afterDelimiter:
                guard let byte = input.takeFirst() else { return .needsMoreBytes }
                switch byte {
                case .carriageReturn: state = .afterDelimiterCR
                case UInt8(ascii: "-"): state = .afterDelimiterDash
                default: throw .malformedBoundary
                }
            case .afterDelimiterCR:
                guard let byte = input.takeFirst() else { return .needsMoreBytes }
                guard byte == .lineFeed else { throw .malformedBoundary }
                try beginHeaders()
            case .afterDelimiterDash:
                guard let byte = input.takeFirst() else { return .needsMoreBytes }
                guard byte == UInt8(ascii: "-") else { throw .malformedBoundary }
                state = .epilogue(matched: 0)
                return .end
            case .headers:
                guard let head = try readHeaders(&input) else { return .needsMoreBytes }
                state = .data(matched: 0)
                return .part(head)
            case .epilogue(let matched):
                guard let byte = input.takeFirst() else { return .needsMoreBytes }
                guard matched < 2, byte == (matched == 0 ? .carriageReturn : .lineFeed) else { throw .trailingBytes }
                state = .epilogue(matched: matched + 1)
            case .failed(let error): throw error
            }
        }
    }

    /// Data up to an actual or possible delimiter; nil if one is complete.
    private mutating func readData(_ input: inout UnsafeRawBufferPointer, matched: Int) -> Event? {
        if input.isEmpty { return .needsMoreBytes }
        var matched = matched
        if matched > 0 {
            var position = 0
            while position < input.count, matched < delimiter.count, input[position] == delimiter.bytes[matched] {
                position += 1
                matched += 1
            }
            if matched < delimiter.count, position < input.count {
                // It was not a delimiter. CR occurs only at a delimiter's start, so no other delimiter can begin within the matched
                // bytes.
                let data = delimiter.bytes.slice(0, matched)
                input = input.slice(position, input.count)
                state = .data(matched: 0)
                return .data(data)
            }
            input = input.slice(position, input.count)
            return matched == delimiter.count ? endData() : hold(matched)
        }
        var searched = 0
        while let found = input.slice(searched, input.count).offset(of: .carriageReturn) {
            let start = searched + found
            var position = start
            while position < input.count, matched < delimiter.count, input[position] == delimiter.bytes[matched] {
                position += 1
                matched += 1
            }
            if matched == delimiter.count || position == input.count {
                // Complete, or cut by the end of the input.
                let data = input.slice(0, start)
                if !data.isEmpty {
                    input = input.slice(start, input.count)
                    return .data(data)
                }
                input = input.slice(position, input.count)
                return matched == delimiter.count ? endData() : hold(matched)
            }
            matched = 0
            searched = start + 1
        }
        let data = input
        input = input.slice(input.count, input.count)
        return .data(data)
    }

    private mutating func hold(_ matched: Int) -> Event {
        state = .data(matched: matched)
        return .needsMoreBytes
    }

    private mutating func endData() -> Event {
        state = .afterDelimiter
        return .partEnd
    }

    /// False if more input is needed.
    private mutating func readStart(_ input: inout UnsafeRawBufferPointer, matched: Int) throws(MultipartError) -> Bool {
        var matched = matched
        while matched < delimiter.count {
            guard let byte = input.takeFirst() else {
                state = .start(matched: matched)
                return false
            }
            guard byte == delimiter.bytes[matched] else { throw .missingBoundary }
            matched += 1
        }
        state = .afterDelimiter
        return true
    }

    private mutating func beginHeaders() throws(MultipartError) {
        partCount += 1
        guard partCount <= limits.maxParts else { throw .tooManyParts(limit: limits.maxParts) }
        headerByteCount = 0
        fields = []
        state = .headers
    }

    private mutating func readHeaders(_ input: inout UnsafeRawBufferPointer) throws(MultipartError) -> MultipartHead? {
        while true {
            let line: UnsafeRawBufferPointer?
            do throws(LineReader.Failure) {
                line = try lines.next(&input, maxBytes: max(0, limits.maxHeaderBytes - headerByteCount))
            } catch {
                throw error == .tooLong ? .headerTooLarge(limitBytes: limits.maxHeaderBytes) : .malformedHeader
            }
            guard let line else { return nil }
            if line.isEmpty {
                lines.release()
                return try MultipartHead(fields)
            }
            headerByteCount += line.count + 2
            guard let colon = line.offset(of: UInt8(ascii: ":")), colon > 0, OctetSet.token.containsAll(line.slice(0, colon)),
                line.isFieldContent
            else { throw .malformedHeader }
            let value = line.slice(colon + 1, line.count).trimmingBlanks
            fields.append((line.slice(0, colon).text.lowercased(), value.text))
        }
    }
}

extension UnsafeRawBufferPointer {
    fileprivate mutating func takeFirst() -> UInt8? {
        guard let byte = first else { return nil }
        self = slice(1, count)
        return byte
    }
}

/// The chunked transfer coding (RFC 9112 §7.1), octet by octet for the framing, in runs for the data. Extensions and trailers are
/// validated, limited and discarded.
struct ChunkedDecoder {
    enum Step {
        case needsMoreBytes
        /// Part of the data, in place.
        case data(UnsafeRawBufferPointer)
        case end
    }

    private enum State {
        case size(digits: Int)
        case sizeExtension(ChunkExtension)
        case sizeLineFeed
        case data
        case dataReturn
        case dataLineFeed
        case trailerStart
        case trailerName
        case trailerValue
        case trailerLineFeed
        case lastLineFeed
    }

    private var state = State.size(digits: 0)
    /// The size from the size line, then the remaining data, in bytes.
    private var size: UInt64 = 0
    private(set) var bodyByteCount = 0
    private var extensionByteCount = 0
    private var trailerByteCount = 0

    mutating func next(_ input: inout UnsafeRawBufferPointer, _ limits: MessageLimits) throws(MessageError) -> Step {
        var position = 0
        defer { input = input.slice(position, input.count) }
        while position < input.count {
            if case .data = state {
                let count = Int(min(size, UInt64(input.count - position)))
                let data = input.slice(position, position + count)
                position += count
                size -= UInt64(count)
                if size == 0 { state = .dataReturn }
                return .data(data)
            }
            let isEnd = try take(input[position], limits)
            position += 1
            if isEnd { return .end }
        }
        return .needsMoreBytes
    }

    /// Consumes one octet of the framing; true if it was the last of the body.
    private mutating func take(_ octet: UInt8, _ limits: MessageLimits) throws(MessageError) -> Bool {
        switch state {
        case .size(let digits):
            if let digit = octet.hexadecimalValue {
                // Sixteen digits fill 64 bits; more would be leading zeros or an overflow, and no honest sender produces either.
                guard digits < 16 else { throw .invalidChunkSize }
                size = size << 4 | UInt64(digit)
                state = .size(digits: digits + 1)
            } else {
                guard digits > 0, octet == .carriageReturn || octet == UInt8(ascii: ";") else {
                    throw .invalidChunkSize
                }
                guard size <= UInt64(max(0, limits.maxBodyBytes - bodyByteCount)) else {
                    throw .bodyTooLarge(limitBytes: limits.maxBodyBytes)
                }
                state = octet == .carriageReturn ? .sizeLineFeed : .sizeExtension(.beforeName)
            }
        case .sizeExtension(let place):
            if octet == .carriageReturn {
                guard place.mayEnd else { throw .invalidChunkExtension }
                state = .sizeLineFeed
            } else {
                guard let next = place.after(octet) else {
                    throw octet == .lineFeed ? .bareLineFeed : .invalidChunkExtension
                }
                extensionByteCount += 1
                guard extensionByteCount <= limits.maxChunkExtensionBytes else {
                    throw .chunkExtensionsTooLarge(limitBytes: limits.maxChunkExtensionBytes)
                }
                state = .sizeExtension(next)
            }
        case .sizeLineFeed:
            guard octet == .lineFeed else { throw .bareCarriageReturn }
            bodyByteCount += Int(size)
            state = size == 0 ? .trailerStart : .data
        case .data:
            break
        case .dataReturn:
            guard octet == .carriageReturn else { throw .unterminatedChunk }
            state = .dataLineFeed
        case .dataLineFeed:
            guard octet == .lineFeed else { throw .unterminatedChunk }
            state = .size(digits: 0)
        case .trailerStart, .trailerName, .trailerValue, .trailerLineFeed, .lastLineFeed:
            return try takeTrailer(octet, limits)
        }
        return false
    }

    private mutating func takeTrailer(_ octet: UInt8, _ limits: MessageLimits) throws(MessageError) -> Bool {
        trailerByteCount += 1
        guard trailerByteCount <= limits.maxTrailerBytes else {
            throw .fieldsTooLarge(limitBytes: limits.maxTrailerBytes)
        }
        switch state {
        case .trailerStart where octet == .carriageReturn:
            state = .lastLineFeed
        case .trailerStart where octet == .lineFeed, .trailerName where octet == .lineFeed:
            throw .bareLineFeed
        case .trailerStart:
            if octet.isBlank { throw .foldedField }
            guard OctetSet.token.contains(octet) else { throw .invalidFieldName }
            state = .trailerName
        case .trailerName:
            if octet == UInt8(ascii: ":") {
                state = .trailerValue
            } else if !OctetSet.token.contains(octet) {
                throw .invalidFieldName
            }
        case .trailerValue:
            if octet == .carriageReturn {
                state = .trailerLineFeed
            } else if !octet.isFieldContent {
                throw octet == .lineFeed ? .bareLineFeed : .invalidFieldValue
            }
        case .trailerLineFeed:
            guard octet == .lineFeed else { throw .bareCarriageReturn }
            state = .trailerStart
        case .lastLineFeed:
            guard octet == .lineFeed else { throw .bareCarriageReturn }
            return true
        default:
            break
        }
        return false
    }
}

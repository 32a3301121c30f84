internal import Bytes

/// Turns the bytes of the peer into messages and control frames: RFC 6455 §5 and §6.2, without any I/O.
///
/// Pull style: hand in what was read and ask for events until there is none.
///
///     while let event = try receiver.next(&input) { ... }
///
/// The input is unmasked in place. A message that is one frame and lies wholly in the input is handed out where it
/// lies; only what straddles reads or is fragmented is gathered, and that storage goes when the input is used up.
/// Text is validated as it arrives, so that bad text fails in the middle of a frame. A compressed message (RFC 7692) is
/// undone as it arrives, and judged by what comes out of it.
public struct Receiver: ~Copyable {
    /// Where the next byte belongs.
    private enum Position {
        case header
        case payload(FrameInProgress)
        /// After a close frame or a violation: every further byte is dropped.
        case ended
    }

    private struct FrameInProgress {
        var header: FrameHeader
        var receivedByteCount = 0
    }

    /// How the payload of a message stands on the wire, as its first frame says.
    private enum Coding { case plain, deflated }

    /// What ``message`` holds.
    private enum Assembly {
        case nothing
        case text(Coding)
        case binary(Coding)
        /// A message that the last event pointed into.
        case delivered
    }

    private let role: Role
    private let extensions: NegotiatedExtensions
    private let maxMessageBytes: Int
    private var position = Position.header
    private var assembly = Assembly.nothing
    private var validator = UTF8Validator()
    private var inflater: Inflater
    private var headerSpill = HeaderSpill()
    private var message = ByteBuffer()
    private var controlPayload = ByteBuffer()

    /// - Parameter role: of this end: a server's receiver takes a client's frames.
    public init(role: Role, limits: WebSocketLimits = WebSocketLimits(), extensions: NegotiatedExtensions = .none) {
        self.role = role
        self.extensions = extensions
        maxMessageBytes = limits.maxMessageBytes
        // Without an agreement no frame may ask for it.
        inflater = Inflater(extensions.deflate?.incoming ?? DeflateAgreement.Incoming(windowBits: 15, keepsContext: false))
    }

    /// Bytes that decompression holds now.
    var deflateMemoryByteCount: Int { inflater.memoryByteCount }

    /// The next event, or nil when `input` is used up.
    ///
    /// Takes what it reads off the front of `input`. O(bytes taken); no allocation unless a message is fragmented or
    /// incomplete.
    /// - Throws: the peer's violation. After one, or after `.close`, nothing further is delivered.
    public mutating func next(
        _ input: inout UnsafeMutableRawBufferPointer
    ) throws(ProtocolViolation) -> ReceivedEvent? {
        if case .delivered = assembly { forgetMessage() }
        do throws(ProtocolViolation) {
            while true {
                switch position {
                case .header:
                    guard let header = try takeHeader(&input) else {
                        releaseIdleStorage()
                        return nil
                    }
                    if let event = try startFrame(header, &input) { return event }
                case .payload(let frame):
                    if let event = try continueFrame(frame, &input) { return event }
                    if case .payload = position, input.isEmpty { return nil }
                case .ended:
                    input.removeFirst(input.count)
                    return nil
                }
            }
        } catch {
            end()
            throw error
        }
    }

    /// Stops listening: drops what is half received and everything that still comes.
    mutating func end() {
        position = .ended
        assembly = .nothing
        inflater.close()
        message.clear(keepingCapacity: 0)
        controlPayload.clear(keepingCapacity: 0)
    }

    // Frames

    @inline(__always)
    private mutating func takeHeader(
        _ input: inout UnsafeMutableRawBufferPointer
    ) throws(ProtocolViolation) -> FrameHeader? {
        if headerSpill.isEmpty, input.count >= 2, let start = input.baseAddress {
            let byteCount = FrameHeader.byteCount(secondByte: start.load(fromByteOffset: 1, as: UInt8.self))
            if input.count >= byteCount {
                let header = try FrameHeader(start, receiver: role, extensions)
                input.removeFirst(byteCount)
                return header
            }
        }
        return try takeSpilledHeader(&input)
    }

    /// The header straddles reads: gathers it byte by byte, and judges it as early as its bytes allow.
    private mutating func takeSpilledHeader(
        _ input: inout UnsafeMutableRawBufferPointer
    ) throws(ProtocolViolation) -> FrameHeader? {
        while let byte = input.first {
            input.removeFirst(1)
            headerSpill.append(byte)
            if headerSpill.count == 2 {
                _ = try FrameHeader.check(headerSpill[0], headerSpill[1], receiver: role, extensions)
            }
            if headerSpill.isWholeHeader {
                let role = role
                let extensions = extensions
                let header = try headerSpill.withBytes { (bytes) throws(ProtocolViolation) in
                    try FrameHeader(bytes, receiver: role, extensions)
                }
                headerSpill.removeAll()
                return header
            }
        }
        return nil
    }

    @inline(__always)
    private mutating func startFrame(
        _ header: FrameHeader, _ input: inout UnsafeMutableRawBufferPointer
    ) throws(ProtocolViolation) -> ReceivedEvent? {
        let payloadByteCount = header.payloadByteCount
        if header.opcode.isControl {
            if input.count < payloadByteCount {
                position = .payload(FrameInProgress(header: header))
                return nil
            }
            let payload = input.takeFirst(payloadByteCount)
            header.maskingKey.apply(to: payload)
            return try controlEvent(header.opcode, UnsafeRawBufferPointer(payload))
        }
        try checkOrder(header.opcode)
        guard payloadByteCount <= wireBytesLeft(header) else { throw .messageTooBig(maxMessageBytes: maxMessageBytes) }
        if header.opcode != .continuation {
            let coding = header.reservedBits == 0 ? Coding.plain : .deflated
            if header.isFinal, input.count >= payloadByteCount, case .plain = coding {
                let payload = input.takeFirst(payloadByteCount)
                header.maskingKey.apply(to: payload)
                let bytes = UnsafeRawBufferPointer(payload)
                guard header.opcode == .text else { return .binary(bytes) }
                guard UTF8Validator.isValid(bytes) else { throw .textNotUTF8 }
                return .text(bytes)
            }
            assembly = header.opcode == .text ? .text(coding) : .binary(coding)
        }
        position = .payload(FrameInProgress(header: header))
        return nil
    }

    /// RFC 6455 §5.4: the fragments of one message are not interleaved with another's.
    @inline(__always)
    private func checkOrder(_ opcode: Opcode) throws(ProtocolViolation) {
        switch assembly {
        case .text, .binary: if opcode != .continuation { throw .messageInsideMessage }
        case .nothing, .delivered: if opcode == .continuation { throw .unexpectedContinuation }
        }
    }

    /// Payload bytes that the message may still bring over the wire. A compressed one is judged by what comes out of it;
    /// DEFLATE makes nothing longer by more than a few per cent, so that an eighth is plenty.
    @inline(__always)
    private func wireBytesLeft(_ header: FrameHeader) -> Int {
        let isDeflated: Bool
        switch assembly {
        case .text(.deflated), .binary(.deflated): isDeflated = true
        case .nothing, .delivered: isDeflated = header.reservedBits != 0
        case .text(.plain), .binary(.plain): isDeflated = false
        }
        if !isDeflated { return maxMessageBytes - message.count }
        return maxMessageBytes + maxMessageBytes / 8 + 64 - inflater.compressedByteCount
    }

    private mutating func continueFrame(
        _ frame: FrameInProgress, _ input: inout UnsafeMutableRawBufferPointer
    ) throws(ProtocolViolation) -> ReceivedEvent? {
        var frame = frame
        let header = frame.header
        let chunk = input.takeFirst(min(input.count, header.payloadByteCount - frame.receivedByteCount))
        header.maskingKey.apply(to: chunk, payloadOffset: frame.receivedByteCount)
        frame.receivedByteCount += chunk.count
        let isWhole = frame.receivedByteCount == header.payloadByteCount
        position = isWhole ? .header : .payload(frame)
        if header.opcode.isControl {
            controlPayload.append(UnsafeRawBufferPointer(chunk))
            return isWhole ? try controlEvent(header.opcode, controlPayload.bytes) : nil
        }
        let isLast = isWhole && header.isFinal
        switch assembly {
        case .text(.deflated), .binary(.deflated): try inflate(UnsafeRawBufferPointer(chunk), isLast: isLast)
        case .text(.plain):
            guard validator.validate(UnsafeRawBufferPointer(chunk)) else { throw .textNotUTF8 }
            message.append(UnsafeRawBufferPointer(chunk))
        case .nothing, .binary(.plain), .delivered: message.append(UnsafeRawBufferPointer(chunk))
        }
        return isLast ? try assembledMessage() : nil
    }

    private mutating func inflate(_ chunk: UnsafeRawBufferPointer, isLast: Bool) throws(ProtocolViolation) {
        let before = message.count
        var violation: ProtocolViolation?
        do throws(ProtocolViolation) {
            try inflater.inflate(chunk, into: &message, maxMessageBytes: maxMessageBytes)
        } catch {
            violation = error
        }
        // What comes first counts, so that the verdict does not hang on the sizes of the reads.
        if case .text = assembly, !validator.validate(UnsafeRawBufferPointer(rebasing: message.bytes[before...])) {
            throw .textNotUTF8
        }
        if let violation { throw violation }
        if isLast { try inflater.endMessage(into: &message) }
    }

    private mutating func assembledMessage() throws(ProtocolViolation) -> ReceivedEvent? {
        let finished = assembly
        assembly = .delivered
        guard case .text = finished else { return .binary(message.bytes) }
        guard validator.isComplete else { throw .textNotUTF8 }
        return .text(message.bytes)
    }

    private mutating func controlEvent(
        _ opcode: Opcode, _ payload: UnsafeRawBufferPointer
    ) throws(ProtocolViolation) -> ReceivedEvent {
        // The view stays good: emptying the buffer keeps its storage until the input is used up.
        controlPayload.clear()
        switch opcode {
        case .ping: return .ping(payload)
        case .pong: return .pong(payload)
        default:
            let event = try Self.closeEvent(payload)
            position = .ended
            return event
        }
    }

    /// RFC 6455 §5.5.1 and §7.4.
    private static func closeEvent(_ payload: UnsafeRawBufferPointer) throws(ProtocolViolation) -> ReceivedEvent {
        guard let start = payload.baseAddress, payload.count > 0 else {
            return .close(nil, reason: UnsafeRawBufferPointer(start: nil, count: 0))
        }
        guard payload.count >= 2 else { throw .truncatedCloseCode }
        let code = CloseCode(rawValue: UInt16(bigEndian: start.loadUnaligned(as: UInt16.self)))
        guard code.isAllowedOnWire else { throw .invalidCloseCode(code) }
        let reason = UnsafeRawBufferPointer(start: start + 2, count: payload.count - 2)
        guard UTF8Validator.isValid(reason) else { throw .closeReasonNotUTF8 }
        return .close(code, reason: reason)
    }

    // Storage

    private mutating func forgetMessage() {
        assembly = .nothing
        message.clear()
    }

    /// An idle connection owns no buffer.
    private mutating func releaseIdleStorage() {
        if case .nothing = assembly, message.capacity > 0 { message.clear(keepingCapacity: 0) }
        if controlPayload.capacity > 0 { controlPayload.clear(keepingCapacity: 0) }
    }
}

internal import Bytes

/// Parses the peer's bytes into messages and control frames: RFC 6455 §5 and §6.2, without I/O.
///
/// Pull style: pass in the bytes that were read, and call for events until there is none.
///
///     while let event = try receiver.next(&input) { ... }
///
/// Some input may then be left: see ``next(_:)``.
///
/// The input is unmasked in place. A single-frame message that is complete in the input is delivered in place; only fragmented
/// messages and those that straddle reads are copied, into storage that is freed when the input is used up. Text is validated as it
/// arrives, so invalid text fails within a frame. Compressed messages (RFC 7692) are decompressed as they arrive, and limits apply
/// to the decompressed size.
public struct Receiver: ~Copyable {
    /// Decompressed bytes after which ``next(_:)`` returns, to let other connections proceed; also the most input it decompresses
    /// in one piece, which DEFLATE can expand a thousandfold.
    static let maxInflatedBytesAtOnce = 256 << 10
    /// Default for the compressed bytes after which ``next(_:)`` returns: they cost work even without output.
    public static let maxDeflatedBytesAtOnce = 16 << 10
    private static let deflatedPieceByteCount = 512

    private let rules: FrameRules
    /// After a close frame or a violation: all further bytes are discarded.
    private var hasEnded = false
    /// After our own close frame: messages are discarded, only control frames matter.
    private var dropsMessages = false
    private let maxMessageBytes: Int
    private let inflater: Box<Inflater>?
    private let scratch: ReceiverScratch
    private var gathered: GatheredFrames?

    /// - Parameters:
    ///   - role: of this end; a server's receiver parses a client's frames.
    ///   - scratch: shared by receivers used one after another on the same thread.
    public init(
        role: Role, limits: WebSocketLimits = WebSocketLimits(), extensions: NegotiatedExtensions = .none,
        scratch: ReceiverScratch = ReceiverScratch()
    ) {
        self.scratch = scratch
        rules = FrameRules(role: role, reservedBits: extensions.reservedBits)
        maxMessageBytes = limits.maxMessageBytes
        inflater = extensions.deflate.map { Box(Inflater($0.incoming, scratch)) }
    }

    /// Memory allocated for decompression, in bytes.
    var deflateMemoryByteCount: Int { inflater?.value.memoryByteCount ?? 0 }

    /// Compressed bytes of messages consumed in total. Wraps around.
    var deflatedByteCount: UInt32 { inflater?.value.takenByteCount ?? 0 }

    /// Memory for incomplete input, in bytes: a message after decompression, and a control frame.
    var heldByteCount: Int { gathered.map { $0.message.capacity + $0.controlPayload.count } ?? 0 }

    /// The next event, or nil if `input` is used up. Nil with input left means that 256 KiB of one message were decompressed, or
    /// that `maxDeflatedBytes` were consumed: call again with the rest once other connections have been served.
    ///
    /// Consumes what it reads from the front of `input`. O(bytes consumed and produced); does not allocate unless a message is
    /// fragmented or incomplete.
    /// - Throws: the peer's violation. After it, or after `.close`, nothing more is delivered.
    /// - Parameter maxDeflatedBytes: compressed bytes to consume before returning; some are consumed in any case.
    public mutating func next(
        _ input: inout UnsafeMutableRawBufferPointer, maxDeflatedBytes: Int = maxDeflatedBytesAtOnce
    ) throws(ProtocolViolation) -> ReceivedEvent? {
        if let gathered, case .delivered = gathered.assembly { gathered.forgetMessage() }
        let gatheredBefore = gathered?.message.count ?? 0
        let deflatedBefore = deflatedByteCount
        do throws(ProtocolViolation) {
            while !hasEnded {
                if let gathered, let frame = gathered.frame {
                    if let event = try continueFrame(frame, of: gathered, &input) { return event }
                    if gathered.isDeflated, !input.isEmpty,
                        gathered.message.count - gatheredBefore > Self.maxInflatedBytesAtOnce
                            || deflatedByteCount &- deflatedBefore >= maxDeflatedBytes
                    {
                        return nil
                    }
                    if gathered.frame != nil, input.isEmpty {
                        gathered.giveBackUnused()
                        return nil
                    }
                    continue
                }
                guard let header = try takeHeader(&input) else {
                    // An idle connection owns no buffer.
                    if let gathered, gathered.isIdle {
                        self.gathered = nil
                        scratch.keep(gathered)
                    } else {
                        gathered?.giveBackUnused()
                    }
                    return nil
                }
                if let event = try startFrame(header, &input) { return event }
            }
            input.removeFirst(input.count)
            return nil
        } catch {
            end()
            throw error
        }
    }

    /// From here on, discards messages without decompressing them, which would cost the other connections time. The message of the
    /// last event stays valid until the next event.
    mutating func dropMessages() {
        dropsMessages = true
        inflater?.value.close()
        guard let gathered else { return }
        switch gathered.assembly {
        case .text, .binary: gathered.forgetMessage()
        case .nothing, .delivered: break
        }
    }

    /// Whether the next frame in `input` is a close frame. False within a frame.
    func isCloseNext(_ input: UnsafeMutableRawBufferPointer) -> Bool {
        if let gathered, gathered.frame != nil || !gathered.headerSpill.isEmpty { return false }
        return input.first.map { $0 & 0x0F == Opcode.close.rawValue } ?? false
    }

    /// Stops receiving: discards partial input and all further input.
    mutating func end() {
        hasEnded = true
        inflater?.value.close()
        gathered = nil
    }

    private mutating func gather() -> GatheredFrames {
        if let gathered { return gathered }
        let new = scratch.takeGathered()
        gathered = new
        return new
    }

    // Frames

    @inline(__always)
    private mutating func takeHeader(
        _ input: inout UnsafeMutableRawBufferPointer
    ) throws(ProtocolViolation) -> FrameHeader? {
        if gathered?.headerSpill.isEmpty ?? true, input.count >= 2, let start = input.baseAddress {
            let byteCount = FrameHeader.byteCount(secondByte: start.load(fromByteOffset: 1, as: UInt8.self))
            if input.count >= byteCount {
                let header = try FrameHeader(start, rules)
                input.removeFirst(byteCount)
                return header
            }
        }
        return try takeSpilledHeader(&input)
    }

    /// The header straddles reads: collects it byte by byte, and validates it as early as possible.
    private mutating func takeSpilledHeader(
        _ input: inout UnsafeMutableRawBufferPointer
    ) throws(ProtocolViolation) -> FrameHeader? {
        if input.isEmpty { return nil }
        let gathered = gather()
        while let byte = input.first {
            input.removeFirst(1)
            gathered.headerSpill.append(byte)
            if gathered.headerSpill.count == 2 {
                _ = try FrameHeader.check(gathered.headerSpill[0], gathered.headerSpill[1], rules)
            }
            if gathered.headerSpill.isWholeHeader {
                let rules = rules
                let header = try gathered.headerSpill.withBytes { (bytes) throws(ProtocolViolation) in
                    try FrameHeader(bytes, rules)
                }
                gathered.headerSpill.removeAll()
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
                gather().frame = GatheredFrames.FrameInProgress(header: header)
                return nil
            }
            let payload = input.takeFirst(payloadByteCount)
            header.maskingKey.apply(to: payload)
            return try controlEvent(header.opcode, UnsafeRawBufferPointer(payload))
        }
        if dropsMessages {
            if input.count >= payloadByteCount {
                input.removeFirst(payloadByteCount)
            } else {
                gather().frame = GatheredFrames.FrameInProgress(header: header)
            }
            return nil
        }
        try checkOrder(header.opcode)
        guard payloadByteCount <= wireBytesLeft(header) else { throw .messageTooBig(maxMessageBytes: maxMessageBytes) }
        if header.opcode != .continuation {
            let coding = header.reservedBits == 0 ? GatheredFrames.Coding.plain : .deflated
            if header.isFinal, input.count >= payloadByteCount, case .plain = coding {
                let payload = input.takeFirst(payloadByteCount)
                header.maskingKey.apply(to: payload)
                let bytes = UnsafeRawBufferPointer(payload)
                guard header.opcode == .text else { return .binary(bytes) }
                guard UTF8Validator.isValid(bytes) else { throw .textNotUTF8 }
                return .text(bytes)
            }
            gather().assembly = header.opcode == .text ? .text(coding) : .binary(coding)
        }
        gather().frame = GatheredFrames.FrameInProgress(header: header)
        return nil
    }

    /// RFC 6455 §5.4: the fragments of one message are not interleaved with another's.
    @inline(__always)
    private func checkOrder(_ opcode: Opcode) throws(ProtocolViolation) {
        switch gathered?.assembly {
        case .text, .binary: if opcode != .continuation { throw .messageInsideMessage }
        case .nothing, .delivered, nil: if opcode == .continuation { throw .unexpectedContinuation }
        }
    }

    /// Payload bytes that the message may still have on the wire. A compressed one is limited by its decompressed size; DEFLATE
    /// expands incompressible data by a few per cent at most, so an eighth is ample.
    @inline(__always)
    private func wireBytesLeft(_ header: FrameHeader) -> Int {
        let gatheredByteCount = gathered?.message.count ?? 0
        if header.reservedBits == 0, gathered?.isDeflated != true { return maxMessageBytes - gatheredByteCount }
        return maxMessageBytes + maxMessageBytes / 8 + 64 - (inflater?.value.compressedByteCount ?? 0)
    }

    private mutating func continueFrame(
        _ frame: GatheredFrames.FrameInProgress, of gathered: GatheredFrames, _ input: inout UnsafeMutableRawBufferPointer
    ) throws(ProtocolViolation) -> ReceivedEvent? {
        var frame = frame
        let header = frame.header
        var chunkByteCount = min(input.count, header.payloadByteCount - frame.receivedByteCount)
        if gathered.isDeflated, !header.opcode.isControl { chunkByteCount = min(chunkByteCount, Self.deflatedPieceByteCount) }
        let chunk = input.takeFirst(chunkByteCount)
        let offset = frame.receivedByteCount
        frame.receivedByteCount += chunk.count
        let isWhole = frame.receivedByteCount == header.payloadByteCount
        gathered.frame = isWhole ? nil : frame
        if dropsMessages, !header.opcode.isControl { return nil }
        header.maskingKey.apply(to: chunk, payloadOffset: offset)
        if header.opcode.isControl {
            gathered.controlPayload.append(UnsafeRawBufferPointer(chunk))
            return isWhole ? try controlEvent(header.opcode, gathered.controlPayload.bytes) : nil
        }
        let isLast = isWhole && header.isFinal
        switch gathered.assembly {
        case .text(.deflated), .binary(.deflated): try inflate(UnsafeRawBufferPointer(chunk), isLast: isLast, into: gathered)
        case .text(.plain):
            guard gathered.validator.validate(UnsafeRawBufferPointer(chunk)) else { throw .textNotUTF8 }
            gathered.message.append(UnsafeRawBufferPointer(chunk))
        case .nothing, .binary(.plain), .delivered: gathered.message.append(UnsafeRawBufferPointer(chunk))
        }
        return isLast ? try assembledMessage(of: gathered) : nil
    }

    private func inflate(
        _ chunk: UnsafeRawBufferPointer, isLast: Bool, into gathered: GatheredFrames
    ) throws(ProtocolViolation) {
        // If not negotiated, the header's bit was refused.
        guard let inflater else { return }
        let before = gathered.message.count
        var violation: ProtocolViolation?
        do throws(ProtocolViolation) {
            try inflater.value.inflate(chunk, into: &gathered.message, maxMessageBytes: maxMessageBytes)
        } catch {
            violation = error
        }
        // The first violation counts, so that the verdict does not depend on the sizes of reads.
        if case .text = gathered.assembly,
            !gathered.validator.validate(UnsafeRawBufferPointer(rebasing: gathered.message.bytes[before...]))
        {
            throw .textNotUTF8
        }
        if let violation { throw violation }
        if isLast { try inflater.value.endMessage(into: &gathered.message) }
    }

    private func assembledMessage(of gathered: GatheredFrames) throws(ProtocolViolation) -> ReceivedEvent? {
        let finished = gathered.assembly
        gathered.assembly = .delivered
        guard case .text = finished else { return .binary(gathered.message.bytes) }
        guard gathered.validator.isComplete else { throw .textNotUTF8 }
        return .text(gathered.message.bytes)
    }

    private mutating func controlEvent(
        _ opcode: Opcode, _ payload: UnsafeRawBufferPointer
    ) throws(ProtocolViolation) -> ReceivedEvent {
        // The view stays valid: the cleared buffer retains its storage until the input is used up.
        gathered?.controlPayload.clear()
        switch opcode {
        case .ping: return .ping(payload)
        case .pong: return .pong(payload)
        default:
            let event = try Self.closeEvent(payload)
            hasEnded = true
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
}

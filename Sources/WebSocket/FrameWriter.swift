public import Bytes

/// Why a message was not written. The output is unchanged.
public enum SendError: Error, Equatable, CustomStringConvertible {
    /// A close frame has been sent or received: nothing may follow (RFC 6455 §5.5.1).
    case connectionClosing
    /// A fragmented message is open: end it first; only control frames may interrupt it (§5.4).
    case messageOpen
    /// There is no fragmented message to continue or end.
    case noMessageOpen
    /// A control frame carries at most 125 bytes (§5.5).
    case controlPayloadTooLong(byteCount: Int)

    public var description: String {
        switch self {
        case .connectionClosing: "the connection is closing: open a new one"
        case .messageOpen: "end the fragmented message before another one starts"
        case .noMessageOpen: "start a fragmented message before its continuation"
        case .controlPayloadTooLong(let byteCount): "a control frame carries at most 125 bytes, not \(byteCount)"
        }
    }
}

/// Appends frames in their shortest form to a buffer, RFC 6455 §5.2 and §6.1.
///
/// A client's frames are masked with fresh keys, a server's are not. Text must be UTF-8, which is not checked here. Messages are
/// compressed if negotiated and worthwhile (RFC 7692); control frames never are.
public struct FrameWriter: ~Copyable {
    private enum OutgoingMessage {
        case none
        /// Started and not ended.
        case fragmented
        /// The same, compressed.
        case deflated
    }

    private struct Deflation: ~Copyable {
        var compressor: Compressor
        /// The fragmented message in progress: its kind, and its size before and after compression.
        var message = (kind: MessageKind.text, byteCount: 0, compressedByteCount: 0)
    }

    private static let finalBit: UInt8 = 0x80
    private static var noBytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: nil, count: 0) }

    /// For the client role; nil for servers, which do not mask.
    private let keys: Box<MaskingKeySource>?
    /// Nil if compression was not negotiated.
    private let deflation: Box<Deflation>?
    private var outgoing = OutgoingMessage.none

    public init(role: Role, extensions: NegotiatedExtensions = .none) {
        keys = role == .client ? Box(MaskingKeySource()) : nil
        deflation = extensions.deflate.map { Box(Deflation(compressor: Compressor($0.outgoing))) }
    }

    /// Memory allocated for compression, in bytes.
    var deflateMemoryByteCount: Int { deflation?.value.compressor.memoryByteCount ?? 0 }

    /// No message follows: frees the compressor.
    mutating func end() { deflation?.value.compressor.close() }

    /// Writes a message as one frame.
    /// - Parameter suffix: appended to the payload in the same message.
    public mutating func appendMessage(
        _ kind: MessageKind, _ payload: UnsafeRawBufferPointer,
        suffix: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0), into output: inout ByteBuffer
    ) throws(SendError) {
        guard case .none = outgoing else { throw .messageOpen }
        let byteCount = payload.count + suffix.count
        if let deflation, deflation.value.compressor.takes(kind, byteCount: byteCount) {
            let compressed = appendDeflated(
                kind.opcode.rawValue | Self.finalBit | DeflateAgreement.reservedBit, payload, suffix, by: deflation, into: &output)
            deflation.value.compressor.endMessage(kind, byteCount: byteCount, compressedByteCount: compressed)
        } else {
            appendFrame(kind.opcode, payload, suffix: suffix, isFinal: true, into: &output)
        }
    }

    /// Writes the first fragment of a message.
    /// - Parameter byteCount: size of the whole message, which decides whether it is compressed; nil if not known yet.
    public mutating func startMessage(
        _ kind: MessageKind, _ payload: UnsafeRawBufferPointer, byteCount: Int? = nil, into output: inout ByteBuffer
    ) throws(SendError) {
        guard case .none = outgoing else { throw .messageOpen }
        if let deflation, deflation.value.compressor.takes(kind, byteCount: byteCount) {
            let compressed = appendDeflated(
                kind.opcode.rawValue | DeflateAgreement.reservedBit, payload, Self.noBytes, by: deflation, into: &output)
            deflation.value.message = (kind, payload.count, compressed)
            outgoing = .deflated
        } else {
            outgoing = .fragmented
            appendFrame(kind.opcode, payload, isFinal: false, into: &output)
        }
    }

    /// Writes a further fragment.
    public mutating func continueMessage(
        _ payload: UnsafeRawBufferPointer, into output: inout ByteBuffer
    ) throws(SendError) {
        switch outgoing {
        case .none: throw .noMessageOpen
        case .fragmented: appendFrame(.continuation, payload, isFinal: false, into: &output)
        case .deflated: appendDeflatedContinuation(Opcode.continuation.rawValue, payload, into: &output)
        }
    }

    /// Writes the last fragment; its payload may be empty.
    public mutating func endMessage(
        _ payload: UnsafeRawBufferPointer, into output: inout ByteBuffer
    ) throws(SendError) {
        switch outgoing {
        case .none: throw .noMessageOpen
        case .fragmented: appendFrame(.continuation, payload, isFinal: true, into: &output)
        case .deflated:
            appendDeflatedContinuation(Opcode.continuation.rawValue | Self.finalBit, payload, into: &output)
            if let deflation {
                let (kind, byteCount, compressedByteCount) = deflation.value.message
                deflation.value.compressor.endMessage(kind, byteCount: byteCount, compressedByteCount: compressedByteCount)
            }
        }
        outgoing = .none
    }

    /// Writes a ping; control frames are allowed between the fragments of a message.
    public mutating func appendPing(
        _ payload: UnsafeRawBufferPointer, into output: inout ByteBuffer
    ) throws(SendError) {
        try appendControl(.ping, payload, into: &output)
    }

    /// Writes a pong: the reply to a ping with the same payload, or an unsolicited heartbeat (§5.5.3).
    public mutating func appendPong(
        _ payload: UnsafeRawBufferPointer, into output: inout ByteBuffer
    ) throws(SendError) {
        try appendControl(.pong, payload, into: &output)
    }

    /// Writes a close frame.
    ///
    /// - Parameters:
    ///   - code: nil, or a code not allowed on the wire, gives an empty payload.
    ///   - reason: truncated to 123 bytes at a character boundary.
    public mutating func appendClose(_ code: CloseCode?, reason: String = "", into output: inout ByteBuffer) {
        guard let code, code.isAllowedOnWire else {
            appendFrame(.close, Self.noBytes, isFinal: true, into: &output)
            return
        }
        withUnsafeTemporaryAllocation(byteCount: FrameHeader.maxControlPayloadBytes, alignment: 2) { payload in
            payload.storeBytes(of: code.rawValue.bigEndian, as: UInt16.self)
            var byteCount = 2
            for scalar in reason.unicodeScalars {
                let encoded = UTF8.encode(scalar)
                guard let encoded, byteCount + encoded.count <= payload.count else { break }
                for byte in encoded {
                    payload[byteCount] = byte
                    byteCount += 1
                }
            }
            appendFrame(
                .close, UnsafeRawBufferPointer(rebasing: payload[..<byteCount]), isFinal: true, into: &output)
        }
    }

    /// Writes only the header of a single-frame message, for a payload that is sent in place (`writev`) or in several pieces.
    ///
    /// - Parameter payloadByteCount: total size of all pieces.
    /// - Returns: in the client role, the key with which the caller must mask the payload; nil for a server.
    @discardableResult
    public mutating func appendHeader(
        _ kind: MessageKind, payloadByteCount: Int, into output: inout ByteBuffer
    ) throws(SendError) -> MaskingKey? {
        guard case .none = outgoing else { throw .messageOpen }
        return appendFrameHeader(kind.opcode, payloadByteCount: payloadByteCount, isFinal: true, into: &output)
    }

    private mutating func appendControl(
        _ opcode: Opcode, _ payload: UnsafeRawBufferPointer, into output: inout ByteBuffer
    ) throws(SendError) {
        guard payload.count <= FrameHeader.maxControlPayloadBytes else {
            throw .controlPayloadTooLong(byteCount: payload.count)
        }
        appendFrame(opcode, payload, isFinal: true, into: &output)
    }

    private mutating func appendFrame(
        _ opcode: Opcode, _ payload: UnsafeRawBufferPointer,
        suffix: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0), isFinal: Bool, into output: inout ByteBuffer
    ) {
        let byteCount = payload.count + suffix.count
        output.reserve(FrameHeader.maxByteCount + byteCount)
        let key = appendFrameHeader(opcode, payloadByteCount: byteCount, isFinal: isFinal, into: &output)
        output.append(payload)
        output.append(suffix)
        guard let key else { return }
        let written = output.mutableBytes
        key.apply(to: UnsafeMutableRawBufferPointer(rebasing: written[(written.count - byteCount)...]))
    }

    private func appendDeflatedContinuation(
        _ firstByte: UInt8, _ payload: UnsafeRawBufferPointer, into output: inout ByteBuffer
    ) {
        guard let deflation else { return }
        let compressed = appendDeflated(firstByte, payload, Self.noBytes, by: deflation, into: &output)
        deflation.value.message.byteCount += payload.count
        deflation.value.message.compressedByteCount += compressed
    }

    /// Compresses in place: reserves room for the header by the uncompressed size, and adjusts it to the compressed size.
    /// - Returns: size of the payload, in bytes.
    private func appendDeflated(
        _ firstByte: UInt8, _ payload: UnsafeRawBufferPointer, _ suffix: UnsafeRawBufferPointer, by deflation: Box<Deflation>,
        into output: inout ByteBuffer
    ) -> Int {
        let key = nextKey()
        let start = output.count
        let room = FrameHeader.byteCount(payloadByteCount: payload.count + suffix.count, isMasked: key != nil)
        output.write(room: room) { _ in room }
        deflation.value.compressor.deflate(payload, suffix, into: &output)
        // Between fragments the flush marker stays, so that the peer can decompress what it has.
        if firstByte & Self.finalBit != 0 { output.removeLast(Compressor.tailByteCount) }
        let byteCount = output.count - start - room
        let headerByteCount = FrameHeader.byteCount(payloadByteCount: byteCount, isMasked: key != nil)
        if headerByteCount > room { output.write(room: headerByteCount - room) { _ in headerByteCount - room } }
        let frame = UnsafeMutableRawBufferPointer(rebasing: output.mutableBytes[start...])
        if headerByteCount != room, let base = frame.baseAddress {
            (base + headerByteCount).copyMemory(from: base + room, byteCount: byteCount)
        }
        if headerByteCount < room { output.removeLast(room - headerByteCount) }
        FrameHeader.write(firstByte, payloadByteCount: byteCount, key, to: frame)
        key?.apply(to: UnsafeMutableRawBufferPointer(rebasing: frame[headerByteCount..<headerByteCount + byteCount]))
        return byteCount
    }

    @inline(__always)
    private mutating func appendFrameHeader(
        _ opcode: Opcode, payloadByteCount: Int, isFinal: Bool, into output: inout ByteBuffer
    ) -> MaskingKey? {
        let key = nextKey()
        output.write(room: FrameHeader.maxByteCount) { room in
            FrameHeader.write(opcode.rawValue | (isFinal ? Self.finalBit : 0), payloadByteCount: payloadByteCount, key, to: room)
        }
        return key
    }

    @inline(__always)
    private func nextKey() -> MaskingKey? { keys?.value.next() }
}

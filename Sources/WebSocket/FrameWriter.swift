public import Bytes

/// Why a message was not written. The output is as it was.
public enum SendError: Error, Equatable, CustomStringConvertible {
    /// A close frame has been sent or received: nothing may follow (RFC 6455 §5.5.1).
    case connectionClosing
    /// A fragmented message is open: end it first, only control frames may come between (§5.4).
    case messageOpen
    /// There is no fragmented message to continue or to end.
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

/// Writes frames in their shortest form at the end of a buffer, RFC 6455 §5.2 and §6.1.
///
/// A client's frames are masked with fresh keys, a server's are not. Text must be UTF-8; it is not checked again.
public struct FrameWriter: ~Copyable {
    private enum OutgoingMessage { case none, fragmented }

    private let role: Role
    private var keys = MaskingKeySource()
    private var outgoing = OutgoingMessage.none

    public init(role: Role) { self.role = role }

    /// Writes a message as one frame.
    public mutating func appendMessage(
        _ kind: MessageKind, _ payload: UnsafeRawBufferPointer, into output: inout ByteBuffer
    ) throws(SendError) {
        guard case .none = outgoing else { throw .messageOpen }
        appendFrame(kind.opcode, payload, isFinal: true, into: &output)
    }

    /// Writes the first fragment of a message whose end is not known yet.
    public mutating func startMessage(
        _ kind: MessageKind, _ payload: UnsafeRawBufferPointer, into output: inout ByteBuffer
    ) throws(SendError) {
        guard case .none = outgoing else { throw .messageOpen }
        outgoing = .fragmented
        appendFrame(kind.opcode, payload, isFinal: false, into: &output)
    }

    /// Writes a further fragment.
    public mutating func continueMessage(
        _ payload: UnsafeRawBufferPointer, into output: inout ByteBuffer
    ) throws(SendError) {
        guard case .fragmented = outgoing else { throw .noMessageOpen }
        appendFrame(.continuation, payload, isFinal: false, into: &output)
    }

    /// Writes the last fragment; its payload may be empty.
    public mutating func endMessage(
        _ payload: UnsafeRawBufferPointer, into output: inout ByteBuffer
    ) throws(SendError) {
        guard case .fragmented = outgoing else { throw .noMessageOpen }
        outgoing = .none
        appendFrame(.continuation, payload, isFinal: true, into: &output)
    }

    /// Writes a ping; a control frame may stand between the fragments of a message.
    public mutating func appendPing(
        _ payload: UnsafeRawBufferPointer, into output: inout ByteBuffer
    ) throws(SendError) {
        try appendControl(.ping, payload, into: &output)
    }

    /// Writes a pong: the answer to a ping with the same payload, or a heartbeat nobody asked for (§5.5.3).
    public mutating func appendPong(
        _ payload: UnsafeRawBufferPointer, into output: inout ByteBuffer
    ) throws(SendError) {
        try appendControl(.pong, payload, into: &output)
    }

    /// Writes a close frame.
    ///
    /// - Parameters:
    ///   - code: no code, or one that must not be on the wire, gives an empty payload.
    ///   - reason: cut to 123 bytes at the end of a character.
    public mutating func appendClose(_ code: CloseCode?, reason: String = "", into output: inout ByteBuffer) {
        guard let code, code.isAllowedOnWire else {
            appendFrame(.close, UnsafeRawBufferPointer(start: nil, count: 0), isFinal: true, into: &output)
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

    /// Writes only the header of a message that is one frame, for a payload that is sent from where it lies
    /// (`writev`), or that consists of several pieces.
    ///
    /// - Parameter payloadByteCount: bytes that will follow, in all pieces together.
    /// - Returns: for a client the key with which the caller must mask what follows; nil for a server.
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
        _ opcode: Opcode, _ payload: UnsafeRawBufferPointer, isFinal: Bool, into output: inout ByteBuffer
    ) {
        output.reserve(FrameHeader.maxByteCount + payload.count)
        let key = appendFrameHeader(opcode, payloadByteCount: payload.count, isFinal: isFinal, into: &output)
        output.append(payload)
        guard let key else { return }
        let written = output.mutableBytes
        key.apply(to: UnsafeMutableRawBufferPointer(rebasing: written[(written.count - payload.count)...]))
    }

    @inline(__always)
    private mutating func appendFrameHeader(
        _ opcode: Opcode, payloadByteCount: Int, isFinal: Bool, into output: inout ByteBuffer
    ) -> MaskingKey? {
        let key: MaskingKey? =
            switch role {
            case .server: nil
            case .client: keys.next()
            }
        output.write(room: FrameHeader.maxByteCount) { room in
            guard let start = room.baseAddress else { return 0 }
            let maskBit: UInt8 = key == nil ? 0 : 0x80
            start.storeBytes(of: opcode.rawValue | (isFinal ? 0x80 : 0), as: UInt8.self)
            var position = 2
            if payloadByteCount < 126 {
                start.storeBytes(of: maskBit | UInt8(payloadByteCount), toByteOffset: 1, as: UInt8.self)
            } else if payloadByteCount <= 0xFFFF {
                start.storeBytes(of: maskBit | 126, toByteOffset: 1, as: UInt8.self)
                start.storeBytes(of: UInt16(payloadByteCount).bigEndian, toByteOffset: 2, as: UInt16.self)
                position = 4
            } else {
                start.storeBytes(of: maskBit | 127, toByteOffset: 1, as: UInt8.self)
                start.storeBytes(of: UInt64(payloadByteCount).bigEndian, toByteOffset: 2, as: UInt64.self)
                position = 10
            }
            if let key {
                start.storeBytes(of: key.word.littleEndian, toByteOffset: position, as: UInt32.self)
                position += 4
            }
            return position
        }
        return key
    }
}

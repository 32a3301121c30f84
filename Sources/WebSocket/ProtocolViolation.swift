/// A violation of RFC 6455 or of a limit by the peer. Each one fails the connection (§7.1.7).
public enum ProtocolViolation: Error, Equatable, Sendable {
    /// A client must mask every frame, §5.1.
    case unmaskedClientFrame
    /// A server must mask no frame, §5.1.
    case maskedServerFrame
    /// RSV1-3 are set, and no negotiated extension defines them for this frame, §5.2.
    case reservedBits(UInt8)
    /// §5.2.
    case reservedOpcode(UInt8)
    /// §5.4.
    case fragmentedControlFrame
    /// More than 125 bytes, §5.5.
    case controlPayloadTooLong
    /// A length written with more bytes than it needs, §5.2.
    case lengthNotMinimal
    /// A 64-bit length whose most significant bit is set, §5.2.
    case lengthHighBitSet
    /// A continuation frame without an open message, §5.4.
    case unexpectedContinuation
    /// A new message before the fragmented one has ended, §5.4.
    case messageInsideMessage
    /// A close payload of one byte is half a code, §5.5.1.
    case truncatedCloseCode
    /// §7.4.
    case invalidCloseCode(CloseCode)
    /// The reason of a close frame is not UTF-8, §5.5.1.
    case closeReasonNotUTF8
    /// A text message is not UTF-8, §8.1.
    case textNotUTF8
    /// The message, or the frame that announces it, is larger than ``WebSocketLimits/maxMessageBytes``.
    case messageTooBig(maxMessageBytes: Int)
    /// A compressed message whose bytes are not DEFLATE, end in the middle of a block, or look back beyond the window.
    case corruptDeflate
    /// Too many compressed bytes without output: empty blocks.
    case wastefulDeflate
    /// Not the peer's fault: out of memory to decompress its message.
    case noMemoryToInflate

    /// The code to close with, §7.4.1.
    ///
    /// RFC 7692 names none for corrupt compression. This uses 1002, because the encoding is part of the negotiated protocol; 1007
    /// is for content that does not match its type, such as compressed text that is not UTF-8.
    public var closeCode: CloseCode {
        switch self {
        case .textNotUTF8, .closeReasonNotUTF8: .invalidPayload
        case .messageTooBig: .messageTooBig
        case .noMemoryToInflate: .internalError
        case .wastefulDeflate: .policyViolation
        default: .protocolError
        }
    }
}

extension ProtocolViolation: CustomStringConvertible {
    /// What happened and what to do, short enough for the reason of a close frame (123 bytes).
    public var description: String {
        switch self {
        case .unmaskedClientFrame: "client frames must be masked"
        case .maskedServerFrame: "server frames must not be masked"
        case .reservedBits(let bits):
            "reserved bits 0b\(String(bits >> 4, radix: 2)) set, no extension negotiated for them"
        case .reservedOpcode(let opcode): "reserved opcode \(opcode)"
        case .fragmentedControlFrame: "control frames must not be fragmented"
        case .controlPayloadTooLong: "control frames carry at most 125 bytes"
        case .lengthNotMinimal: "payload length must use the shortest form"
        case .lengthHighBitSet: "payload length must be below 2^63"
        case .unexpectedContinuation: "continuation frame without a message to continue"
        case .messageInsideMessage: "finish the fragmented message before the next one"
        case .truncatedCloseCode: "close payload must be empty or start with a two-byte code"
        case .invalidCloseCode(let code): "close code \(code) must not be sent"
        case .closeReasonNotUTF8: "close reason is not UTF-8"
        case .textNotUTF8: "text message is not UTF-8: send binary"
        case .messageTooBig(let limit): "message exceeds \(limit) bytes: split it"
        case .corruptDeflate: "compressed message is not valid DEFLATE for the agreed window"
        case .wastefulDeflate: "compressed bytes that make nothing: leave out empty blocks"
        case .noMemoryToInflate: "no memory to decompress the message: try again later"
        }
    }
}

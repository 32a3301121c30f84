/// What a frame is, RFC 6455 §5.2. The numbers that are missing are reserved.
public enum Opcode: UInt8, Sendable {
    case continuation = 0x0
    case text = 0x1
    case binary = 0x2
    case close = 0x8
    case ping = 0x9
    case pong = 0xA

    /// Whether frames of this kind may stand between the fragments of a message (RFC 6455 §5.5).
    public var isControl: Bool { rawValue >= 0x8 }

    /// Whether a message begins with it.
    var startsMessage: Bool { self == .text || self == .binary }
}

/// What a message is made of, RFC 6455 §5.6.
public enum MessageKind: Sendable {
    /// UTF-8.
    case text
    case binary

    var opcode: Opcode {
        switch self {
        case .text: .text
        case .binary: .binary
        }
    }
}

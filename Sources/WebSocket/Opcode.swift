/// The type of a frame, RFC 6455 §5.2. Missing values are reserved.
public enum Opcode: UInt8, Sendable {
    case continuation = 0x0
    case text = 0x1
    case binary = 0x2
    case close = 0x8
    case ping = 0x9
    case pong = 0xA

    /// Whether frames of this type are allowed between the fragments of a message (RFC 6455 §5.5).
    public var isControl: Bool { rawValue >= 0x8 }

    /// Whether it starts a message.
    var startsMessage: Bool { self == .text || self == .binary }
}

/// The type of a message, RFC 6455 §5.6.
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

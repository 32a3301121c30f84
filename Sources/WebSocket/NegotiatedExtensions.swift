/// The extensions both ends agreed on in the opening handshake, RFC 6455 §9.
///
/// None exists yet: every offer is declined, so every reserved bit is a violation. An extension that is added here
/// says which reserved bits its frames may carry; the receiver asks nobody else.
public struct NegotiatedExtensions: Equatable, Sendable {
    public static let none = NegotiatedExtensions()

    /// The RSV bits (mask 0x70 of a frame's first byte) that a frame of this kind may have set.
    func allowedReservedBits(for opcode: Opcode) -> UInt8 { 0 }
}

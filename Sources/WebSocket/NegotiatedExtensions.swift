/// The extensions negotiated in the opening handshake, RFC 6455 §9.
///
/// There is one: permessage-deflate. The receiver learns only from here which reserved bits are allowed.
public struct NegotiatedExtensions: Equatable, Sendable {
    public static let none = NegotiatedExtensions()

    /// RFC 7692; nil if not negotiated.
    var deflate: DeflateAgreement?

    init(deflate: DeflateAgreement? = nil) { self.deflate = deflate }

    public var hasDeflate: Bool { deflate != nil }

    /// The RSV bits (mask 0x70 of a frame's first byte) allowed in the first frame of a data message; other frames must have none
    /// (RFC 7692 §6.1).
    var reservedBits: UInt8 { deflate == nil ? 0 : DeflateAgreement.reservedBit }
}

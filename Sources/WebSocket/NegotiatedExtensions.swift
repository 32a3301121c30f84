/// The extensions both ends agreed on in the opening handshake, RFC 6455 §9.
///
/// There is one: permessage-deflate. An extension says here which reserved bits its frames may carry; the receiver asks nobody
/// else.
public struct NegotiatedExtensions: Equatable, Sendable {
    public static let none = NegotiatedExtensions()

    /// RFC 7692; nil when it was not agreed on.
    var deflate: DeflateAgreement?

    init(deflate: DeflateAgreement? = nil) { self.deflate = deflate }

    public var hasDeflate: Bool { deflate != nil }

    /// The RSV bits (mask 0x70 of a frame's first byte) that the first frame of a data message may have set; no other frame may
    /// have any (RFC 7692 §6.1).
    var reservedBits: UInt8 { deflate == nil ? 0 : DeflateAgreement.reservedBit }
}

/// What both ends agreed on, as it binds this end.
struct DeflateAgreement: Equatable, Sendable {
    /// RSV1 in the first frame of a message says that it is compressed, RFC 7692 §6.
    static let reservedBit: UInt8 = 0x40

    /// What we send.
    struct Outgoing: Equatable, Sendable {
        var windowBits: UInt8
        var memoryLevel: UInt8
        var compressionLevel: UInt8
        var keepsContext: Bool
        var minMessageBytes: Int32
    }

    /// What we take.
    struct Incoming: Equatable, Sendable {
        /// The peer looks back no further.
        var windowBits: UInt8
        var keepsContext: Bool
    }

    var outgoing: Outgoing
    var incoming: Incoming

    /// - Parameters:
    ///   - maxOutgoingWindowBits: what the peer can undo, 8...15.
    ///   - incomingWindowBits: what the peer may use, 8...15.
    init(
        _ options: DeflateOptions, maxOutgoingWindowBits: Int, keepsOutgoingContext: Bool, incomingWindowBits: Int,
        keepsIncomingContext: Bool
    ) {
        let range = DeflateOptions.windowBitsRange
        let wanted = min(options.windowBits, maxOutgoingWindowBits)
        outgoing = Outgoing(
            // A peer with a window of 2^8 is served by zlib's of 2^9: that looks back 2^9 - 262 = 250 bytes at most.
            windowBits: UInt8(min(max(wanted, range.lowerBound), range.upperBound)),
            memoryLevel: UInt8(min(max(options.memoryLevel, 1), 9)),
            compressionLevel: UInt8(min(max(options.compressionLevel, 1), 9)),
            keepsContext: keepsOutgoingContext, minMessageBytes: Int32(clamping: options.minMessageBytes))
        incoming = Incoming(windowBits: UInt8(min(max(incomingWindowBits, 8), 15)), keepsContext: keepsIncomingContext)
    }
}

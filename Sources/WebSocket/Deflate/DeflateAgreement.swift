/// The negotiated parameters, from this end's view.
struct DeflateAgreement: Equatable, Sendable {
    /// RSV1 in the first frame of a message marks it as compressed, RFC 7692 §6.
    static let reservedBit: UInt8 = 0x40

    /// Messages that this end sends.
    struct Outgoing: Equatable, Sendable {
        var windowBits: UInt8
        var memoryLevel: UInt8
        var compressionLevel: UInt8
        var keepsContext: Bool
        var minMessageBytes: Int32
    }

    /// Messages that this end receives.
    struct Incoming: Equatable, Sendable {
        /// The peer's matches reach back no further than 2^n bytes.
        var windowBits: UInt8
        var keepsContext: Bool
    }

    var outgoing: Outgoing
    var incoming: Incoming

    /// - Parameters:
    ///   - maxOutgoingWindowBits: largest window the peer can decompress, 8...15.
    ///   - incomingWindowBits: largest window the peer may use, 8...15.
    init(
        _ options: DeflateOptions, maxOutgoingWindowBits: Int, keepsOutgoingContext: Bool, incomingWindowBits: Int,
        keepsIncomingContext: Bool
    ) {
        let range = DeflateOptions.windowBitsRange
        let wanted = min(options.windowBits, maxOutgoingWindowBits)
        outgoing = Outgoing(
            // For a peer's window of 2^8, use zlib's of 2^9: its matches reach back at most 2^9 - 262 = 250 bytes.
            windowBits: UInt8(min(max(wanted, range.lowerBound), range.upperBound)),
            memoryLevel: UInt8(min(max(options.memoryLevel, 1), 9)),
            compressionLevel: UInt8(min(max(options.compressionLevel, 1), 9)),
            keepsContext: keepsOutgoingContext, minMessageBytes: Int32(clamping: options.minMessageBytes))
        incoming = Incoming(windowBits: UInt8(min(max(incomingWindowBits, 8), 15)), keepsContext: keepsIncomingContext)
    }
}

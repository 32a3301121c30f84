/// Whether compressing one kind of message pays on one connection. What does not shrink (audio, pictures, what is encrypted) is
/// tried ever more seldom, at least each 256th time.
struct CompressionGain {
    /// Disappointments in a row that are put up with: the first messages of a connection have no history.
    private static let patience: UInt8 = 3
    private static let maxSkipShift: UInt8 = 8

    private var disappointments: UInt8 = 0
    private var skips: UInt16 = 0

    /// Asked once for each message.
    mutating func paysNow() -> Bool {
        if skips == 0 { return true }
        skips -= 1
        return false
    }

    /// Less than an eighth saved is not worth the work at both ends.
    mutating func record(byteCount: Int, compressedByteCount: Int) {
        if compressedByteCount <= byteCount - byteCount / 8, compressedByteCount < byteCount {
            disappointments = 0
            return
        }
        disappointments = min(disappointments + 1, Self.patience + Self.maxSkipShift)
        if disappointments > Self.patience { skips = 1 << UInt16(disappointments - Self.patience) }
    }
}

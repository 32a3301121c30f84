/// Decides whether compressing one kind of message pays on one connection. Incompressible messages (audio, images, encrypted data)
/// are tried less and less often, but at least every 256th time.
struct CompressionGain {
    /// Consecutive poor results that are tolerated, because the first messages of a connection have no history.
    private static let patience: UInt8 = 3
    private static let maxSkipShift: UInt8 = 8

    private var disappointments: UInt8 = 0
    private var skips: UInt16 = 0

    /// Call exactly once per message.
    mutating func paysNow() -> Bool {
        if skips == 0 { return true }
        skips -= 1
        return false
    }

    /// Saving less than an eighth is not worth the work at both ends.
    mutating func record(byteCount: Int, compressedByteCount: Int) {
        if compressedByteCount <= byteCount - byteCount / 8, compressedByteCount < byteCount {
            disappointments = 0
            return
        }
        disappointments = min(disappointments + 1, Self.patience + Self.maxSkipShift)
        if disappointments > Self.patience { skips = 1 << UInt16(disappointments - Self.patience) }
    }
}

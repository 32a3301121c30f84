/// Compressed bytes of a connection that made nothing.
///
/// DEFLATE has blocks without content, of which each may have tables to be built: about 0.3 µs of work for each byte. An honest sender
/// has few of them, since each is a flush: of five bytes, or seven with the one byte that it flushed.
struct InflationWaste {
    /// Compressed bytes that one byte of a message pays for.
    static let bytesPerByteMade = 16
    /// Those that the end of a message pays for: an empty one is a byte.
    static let bytesPerMessage = 64
    /// Those that may stand unpaid.
    static let maxByteCount = 16 << 10

    private var byteCount: Int32 = 0

    /// - Returns: false when there are too many.
    mutating func take(compressed: Int, made: Int) -> Bool {
        let unpaid = Int(byteCount) + compressed - Self.bytesPerByteMade * min(made, 1 << 30)
        byteCount = Int32(clamping: max(0, unpaid))
        return unpaid <= Self.maxByteCount
    }

    mutating func messageEnded() { byteCount = max(0, byteCount - Int32(Self.bytesPerMessage)) }
}

/// Accounts for compressed bytes without output on one connection.
///
/// DEFLATE allows empty blocks, each with tables to build: about 0.3 µs of work per byte. An honest sender has few of them, because
/// each is a flush: five bytes, or seven with the one byte that it flushed.
struct InflationWaste {
    /// Compressed bytes offset by one byte of output.
    static let bytesPerByteMade = 16
    /// Compressed bytes offset by the end of a message: an empty message is one byte.
    static let bytesPerMessage = 64
    /// Most compressed bytes without offset.
    static let maxByteCount = 16 << 10

    private var byteCount: Int32 = 0

    /// - Returns: false if the limit is exceeded.
    mutating func take(compressed: Int, made: Int) -> Bool {
        let unpaid = Int(byteCount) + compressed - Self.bytesPerByteMade * min(made, 1 << 30)
        byteCount = Int32(clamping: max(0, unpaid))
        return unpaid <= Self.maxByteCount
    }

    mutating func messageEnded() { byteCount = max(0, byteCount - Int32(Self.bytesPerMessage)) }
}

/// What a text may cost before it is refused.
public struct JSONLimits: Sendable, Hashable {
    /// Never exceeded, whatever is configured: values are read, compared and released by recursion, and this depth
    /// fits the smallest thread stack that we run on (512 KiB) many times over.
    public static let highestMaxDepth = 256

    /// Arrays and objects open at the same time; 1 ... ``highestMaxDepth``.
    public let maxDepth: Int
    /// Longest text that ``JSONValue/parse(_:limits:)`` accepts, in bytes.
    public let maxByteCount: Int

    /// Depth 128, 64 MiB.
    public static let `default` = JSONLimits()

    /// - Parameter maxDepth: held within 1 ... ``highestMaxDepth``.
    public init(maxDepth: Int = 128, maxByteCount: Int = 64 << 20) {
        self.maxDepth = min(max(maxDepth, 1), Self.highestMaxDepth)
        self.maxByteCount = max(maxByteCount, 0)
    }
}

/// Limits on the cost of reading a text.
public struct JSONLimits: Sendable, Hashable {
    /// Upper bound of every configured depth. Values are read, compared and released recursively; this depth needs a small part of
    /// the smallest thread stack in use (512 KiB).
    public static let highestMaxDepth = 256

    /// Arrays and objects open at the same time; 1 ... ``highestMaxDepth``.
    public let maxDepth: Int
    /// Longest text that ``JSONValue/parse(_:limits:)`` accepts, in bytes.
    public let maxByteCount: Int
    /// Most values that it accepts in one text, nested ones included. A value takes many times its bytes in memory and time.
    public let maxValueCount: Int

    /// Depth 128, 64 MiB.
    public static let `default` = JSONLimits()

    /// For input from clients: depth 112, 64 MiB, 200,000 values. Accepted values are stored and sent nested in our objects, which
    /// must stay readable with ``default``, and by clients with a limit of 128.
    public static let received = JSONLimits(maxDepth: 112, maxValueCount: 200_000)

    /// For texts written by this process: their contents were accepted once and must be readable again, however they were nested.
    public static let own = JSONLimits(maxDepth: highestMaxDepth, maxByteCount: .max)

    /// - Parameter maxDepth: clamped to 1 ... ``highestMaxDepth``.
    public init(maxDepth: Int = 128, maxByteCount: Int = 64 << 20, maxValueCount: Int = .max) {
        self.maxDepth = min(max(maxDepth, 1), Self.highestMaxDepth)
        self.maxByteCount = max(maxByteCount, 0)
        self.maxValueCount = max(maxValueCount, 0)
    }
}

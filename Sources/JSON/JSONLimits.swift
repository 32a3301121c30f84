/// What a text may cost before it is refused.
public struct JSONLimits: Sendable, Hashable {
    /// Never exceeded, whatever is configured: values are read, compared and released by recursion, and this depth
    /// fits the smallest thread stack that we run on (512 KiB) many times over.
    public static let highestMaxDepth = 256

    /// Arrays and objects open at the same time; 1 ... ``highestMaxDepth``.
    public let maxDepth: Int
    /// Longest text that ``JSONValue/parse(_:limits:)`` accepts, in bytes.
    public let maxByteCount: Int
    /// Most values that it accepts in one text, those within others counted: each takes memory and time many times its bytes.
    public let maxValueCount: Int

    /// Depth 128, 64 MiB.
    public static let `default` = JSONLimits()

    /// For what clients send: depth 112, 64 MiB, 200,000 values. What is accepted is kept and told within objects of ours, which must all be readable
    /// again by ``default``, and so to clients that go by 128.
    public static let received = JSONLimits(maxDepth: 112, maxValueCount: 200_000)

    /// For what we wrote ourselves: it was accepted once, so that it must be readable again, whatever was wrapped around it.
    public static let own = JSONLimits(maxDepth: highestMaxDepth, maxByteCount: .max)

    /// - Parameter maxDepth: held within 1 ... ``highestMaxDepth``.
    public init(maxDepth: Int = 128, maxByteCount: Int = 64 << 20, maxValueCount: Int = .max) {
        self.maxDepth = min(max(maxDepth, 1), Self.highestMaxDepth)
        self.maxByteCount = max(maxByteCount, 0)
        self.maxValueCount = max(maxValueCount, 0)
    }
}

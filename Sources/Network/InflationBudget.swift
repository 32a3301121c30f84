/// Limits decompression per loop iteration, over all connections: bytes in, because each costs work even without output, and bytes
/// out. If it is used up, a connection continues in the next iteration; each makes some progress in every iteration.
struct InflationBudget {
    /// Compressed bytes: at worst 0.3 µs each, so 10 ms.
    static let maxCompressedBytes = 32 << 10
    /// Decompressed bytes: about 3 ms.
    static let maxMadeBytes = 2 << 20

    /// Most compressed bytes of one connection per step; some are granted even when the budget is used up.
    private static let maxStepBytes = 16 << 10
    private static let minStepBytes = 512

    private var iteration = Instant(nanoseconds: 0)
    private var compressedBytes = 0
    private var madeBytes = 0

    /// - Parameter now: the loop's time, constant within one iteration.
    /// - Returns: whether the budget of this iteration is used up.
    mutating func spend(compressed: Int, made: Int = 0, now: Instant) -> Bool {
        if iteration != now {
            iteration = now
            compressedBytes = 0
            madeBytes = 0
        }
        compressedBytes += compressed
        madeBytes += made
        return compressedBytes >= Self.maxCompressedBytes || madeBytes >= Self.maxMadeBytes
    }

    /// Compressed bytes that a connection may consume in one step.
    func allowance(_ now: Instant) -> Int {
        if iteration != now { return Self.maxStepBytes }
        if madeBytes >= Self.maxMadeBytes { return Self.minStepBytes }
        return min(Self.maxStepBytes, max(Self.minStepBytes, Self.maxCompressedBytes - compressedBytes))
    }
}

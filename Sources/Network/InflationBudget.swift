/// How much one iteration of a loop decompresses, over all connections: bytes in, since each costs work whatever it makes, and bytes
/// out. A connection that finds it used up leaves its rest for the next iteration; each gets somewhere in each.
struct InflationBudget {
    /// Compressed bytes: 0.3 µs each at worst, so 10 ms.
    static let maxCompressedBytes = 32 << 10
    /// What they may make: about 3 ms.
    static let maxMadeBytes = 2 << 20

    /// What one connection takes at once, also when the budget is used up: it has to get somewhere.
    private static let maxStepBytes = 16 << 10
    private static let minStepBytes = 512

    private var iteration = Instant(nanoseconds: 0)
    private var compressedBytes = 0
    private var madeBytes = 0

    /// - Parameter now: as the loop has it, the same within one iteration.
    /// - Returns: whether what this iteration may do is done.
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

    /// Compressed bytes that a connection may take in one step.
    func allowance(_ now: Instant) -> Int {
        if iteration != now { return Self.maxStepBytes }
        if madeBytes >= Self.maxMadeBytes { return Self.minStepBytes }
        return min(Self.maxStepBytes, max(Self.minStepBytes, Self.maxCompressedBytes - compressedBytes))
    }
}

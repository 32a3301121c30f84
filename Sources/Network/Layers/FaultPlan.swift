/// The faults of a connection, all from one seed, which tests print to reproduce them.
package struct FaultPlan: Sendable {
    /// Probabilities per system call, in 256ths.
    package struct Rates: Sendable {
        /// Short reads and writes, from one byte up.
        package var short: UInt8 = 0
        /// `EAGAIN` although there is room or bytes.
        package var blocked: UInt8 = 0
        /// A slow peer: up to ``maxStall`` consecutive calls are blocked.
        package var stall: UInt8 = 0

        package init(short: UInt8 = 0, blocked: UInt8 = 0, stall: UInt8 = 0) {
            self.short = short
            self.blocked = blocked
            self.stall = stall
        }

        package static let none = Rates()
        package static let rough = Rates(short: 128, blocked: 64, stall: 4)
    }

    /// Most calls blocked by a stall.
    package static let maxStall: UInt64 = 200

    package var seed: UInt64
    package var rates: Rates
    /// Resets the connection (`ECONNRESET`) after this many received bytes; nil for never.
    package var resetAfterReceived: Int?
    /// Like ``resetAfterReceived``, for sent bytes.
    package var resetAfterSent: Int?

    package init(seed: UInt64, rates: Rates = .rough, resetAfterReceived: Int? = nil, resetAfterSent: Int? = nil) {
        self.seed = seed
        self.rates = rates
        self.resetAfterReceived = resetAfterReceived
        self.resetAfterSent = resetAfterSent
    }
}

/// SplitMix64: small and portable.
package struct FaultRandom: RandomNumberGenerator {
    private var state: UInt64

    package init(seed: UInt64) { state = seed }

    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }
}

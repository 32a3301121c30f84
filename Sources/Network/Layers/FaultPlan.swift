/// Which faults a connection meets, all from one seed: what a test prints, and what brings the same faults back.
package struct FaultPlan: Sendable {
    /// Chances in 256 for each system call.
    package struct Rates: Sendable {
        /// Fewer bytes are taken or given than there are: from one byte on.
        package var short: UInt8 = 0
        /// `EAGAIN` although there is room or bytes.
        package var blocked: UInt8 = 0
        /// The peer is slow: from now on so many calls in a row are blocked, at most ``maxStall``.
        package var stall: UInt8 = 0

        package init(short: UInt8 = 0, blocked: UInt8 = 0, stall: UInt8 = 0) {
            self.short = short
            self.blocked = blocked
            self.stall = stall
        }

        package static let none = Rates()
        package static let rough = Rates(short: 128, blocked: 64, stall: 4)
    }

    /// Calls that a stall blocks at most.
    package static let maxStall: UInt64 = 200

    package var seed: UInt64
    package var rates: Rates
    /// The connection is reset (`ECONNRESET`) once so many bytes have come in; never if nil.
    package var resetAfterReceived: Int?
    /// As ``resetAfterReceived``, for bytes that went out.
    package var resetAfterSent: Int?

    package init(seed: UInt64, rates: Rates = .rough, resetAfterReceived: Int? = nil, resetAfterSent: Int? = nil) {
        self.seed = seed
        self.rates = rates
        self.resetAfterReceived = resetAfterReceived
        self.resetAfterSent = resetAfterSent
    }
}

/// SplitMix64: small, and the same everywhere.
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

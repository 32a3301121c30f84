/// When a loop's iterations begin and end, and how long they occupy its thread. Loop only.
struct IterationTimes {
    /// The clock's reading at the start of this iteration.
    private(set) var began: Instant
    /// When the last iteration ended. One reading serves for its duration and for the wait after it.
    private(set) var ended: Instant
    private var hold = LoopHold()

    init(now: Instant) {
        began = now
        ended = now
    }

    mutating func begin(_ now: Instant) {
        began = now
        hold.began(now)
    }

    mutating func end(_ now: Instant, _ counters: inout LoopCounters) {
        ended = now
        counters.turns.record(nanoseconds: now.nanoseconds - began.nanoseconds)
        if let taken = hold.ended(began: began, now: now), taken > counters.longestHoldNanoseconds {
            counters.longestHoldNanoseconds = taken
        }
    }
}

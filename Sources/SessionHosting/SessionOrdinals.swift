import Network
import Synchronization

/// Places of sessions by age: microseconds since 1970, each later than the one before, so that the order outlives the process.
package final class SessionOrdinals: Sendable {
    private let last = Atomic<Int>(0)

    package init() {}

    package func next() -> Int {
        let now = SystemClock.unixNanoseconds / 1000
        var seen = last.load(ordering: .relaxed)
        while true {
            let next = max(now, seen + 1)
            let (exchanged, original) = last.compareExchange(expected: seen, desired: next, ordering: .relaxed)
            if exchanged { return next }
            seen = original
        }
    }
}

import Network
import Synchronization

/// Numbers sessions by age: microseconds since 1970, strictly increasing, so that the order survives a restart.
package final class SessionOrdinals: Sendable {
    private let last = Atomic<Int>(0)

    /// Numbers from now on.
    package init() {}

    /// The next number.
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

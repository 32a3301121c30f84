import Bytes
import Network
import Synchronization

/// Limits the wrong keys of each address: secrets chosen by operators can be guessed, given time.
package final class FailedAttempts: Sendable {
    /// Maximum number of addresses remembered at a time.
    static let maxAddresses = 10_000

    private let perMinute: Int
    private let includesLoopback: Bool
    private let buckets = Mutex<[IPAddress: TokenBucket]>([:])
    private let count = Atomic<UInt64>(0)

    /// - Parameter perMinute: wrong keys allowed a minute, also as a burst; 0 for no limit.
    init(perMinute: Int, includesLoopback: Bool) {
        self.perMinute = perMinute
        self.includesLoopback = includesLoopback
    }

    /// Wrong keys so far, for metrics.
    package var total: UInt64 { count.load(ordering: .relaxed) }

    /// How long the address must wait before its keys are checked again; nil if it need not wait.
    func waiting(_ address: IPAddress?, now: Instant) -> Duration? {
        guard let address, isLimited(address) else { return nil }
        return buckets.withLock { buckets in
            guard var bucket = buckets[address.network] else { return nil }
            let wait = bucket.wait(for: 1, now: now)
            return wait > .zero ? wait : nil
        }
    }

    func note(_ address: IPAddress?, now: Instant) {
        count.add(1, ordering: .relaxed)
        guard let address, isLimited(address) else { return }
        buckets.withLock { buckets in
            if buckets.count >= Self.maxAddresses, buckets[address.network] == nil { Self.makeRoom(&buckets, now) }
            buckets[address.network, default: TokenBucket(perMinute: perMinute, now: now)].take(1, now: now)
        }
    }

    /// Removes addresses that have waited long enough; if there are none, an arbitrary one.
    private static func makeRoom(_ buckets: inout [IPAddress: TokenBucket], _ now: Instant) {
        buckets = buckets.filter { entry in
            var bucket = entry.value
            return bucket.untilFull(now: now) > .zero
        }
        if buckets.count >= maxAddresses, let first = buckets.first { buckets[first.key] = nil }
    }

    private func isLimited(_ address: IPAddress) -> Bool { perMinute > 0 && (includesLoopback || !address.isLoopback) }
}

import Network
import Testing

@testable import Upstreams

@Suite struct PacedBudgetTests {
    private static let start = Instant(nanoseconds: 1_000_000_000_000)

    /// Takes one whenever it may, for so long; when each went.
    private static func run(_ limit: Int, seconds: Double) -> [Instant] {
        var bucket = TokenBucket(pacedPerMinute: limit, now: start)
        var now = start
        var taken: [Instant] = []
        while now - start < .seconds(seconds) {
            let wait = bucket.wait(for: 1, now: now)
            if wait > .zero {
                now = now + wait
            } else {
                bucket.take(1, now: now)
                taken.append(now)
            }
        }
        return taken
    }

    @Test(arguments: [1, 2, 7, 10, 59, 60, 600, 10_000])
    func noMinuteHasMoreThanTheLimit(_ limit: Int) {
        let taken = Self.run(limit, seconds: 150)
        var first = 0
        var most = 0
        for last in taken.indices {
            while taken[last] - taken[first] >= .seconds(60) { first += 1 }
            most = max(most, last - first + 1)
        }
        #expect(most <= limit)
        #expect(most >= limit - max(1, limit / 100), "the limit is used")
    }

    @Test func aTenthGoesAtOnce() {
        var bucket = TokenBucket(pacedPerMinute: 60, now: Self.start)
        for _ in 0..<6 {
            #expect(bucket.wait(for: 1, now: Self.start) == .zero)
            bucket.take(1, now: Self.start)
        }
        #expect(bucket.wait(for: 1, now: Self.start) > .zero)
    }

    @Test func whatIsLargerThanTheBucketGoesWhenItIsFullAndLeavesADebt() {
        var bucket = TokenBucket(pacedPerMinute: 1000, now: Self.start)
        #expect(bucket.wait(for: 5000, now: Self.start) == .zero)
        bucket.take(5000, now: Self.start)
        #expect(bucket.level == -4900)
        let wait = bucket.wait(for: 1, now: Self.start)
        #expect(wait > .seconds(300))
        #expect(bucket.wait(for: 1, now: Self.start + wait) == .zero)
    }

    @Test func anEstimateIsPutRight() {
        var bucket = TokenBucket(pacedPerMinute: 1000, now: Self.start)
        bucket.take(80, now: Self.start)
        bucket.take(30 - 80, now: Self.start)
        #expect(bucket.level == 70)
        bucket.take(100, now: Self.start)
        #expect(bucket.level == -30)
        bucket.take(-10_000, now: Self.start)
        #expect(bucket.level == bucket.capacity)
    }

    @Test(arguments: [Int.max, Int.min])
    func usageThatCannotBeTrueClosesTheUpstreamForMinutesOnly(_ actual: Int) {
        var bucket = TokenBucket(pacedPerMinute: 60, now: Self.start)
        bucket.take(1, now: Self.start)
        bucket.take(Double(actual) - 1, now: Self.start)
        #expect(bucket.wait(for: 1, now: Self.start) < .seconds(700))
    }

    @Test func aClockThatStandsOrGoesBackFillsNothing() {
        var bucket = TokenBucket(pacedPerMinute: 10, now: Self.start)
        bucket.take(1, now: Self.start)
        #expect(bucket.wait(for: 1, now: Instant(nanoseconds: 0)) > .zero && bucket.level == 0)
    }
}

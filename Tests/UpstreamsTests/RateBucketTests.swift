import Network
import Testing

@testable import Upstreams

@Suite struct RateBucketTests {
    private static let start = Instant(nanoseconds: 1_000_000_000_000)

    /// Takes one whenever it may, for so long; when each went.
    private static func run(_ limit: Int, seconds: Double) -> [Instant] {
        var bucket = RateBucket(perMinute: limit, now: start)
        var now = start
        var taken: [Instant] = []
        while now - start < .seconds(seconds) {
            if let later = bucket.time(for: 1, now: now) {
                now = later
            } else {
                bucket.take(1)
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
        var bucket = RateBucket(perMinute: 60, now: Self.start)
        for _ in 0..<6 {
            #expect(bucket.time(for: 1, now: Self.start) == nil)
            bucket.take(1)
        }
        #expect(bucket.time(for: 1, now: Self.start) != nil)
    }

    @Test func whatIsLargerThanTheBucketGoesWhenItIsFullAndLeavesADebt() {
        var bucket = RateBucket(perMinute: 1000, now: Self.start)
        #expect(bucket.time(for: 5000, now: Self.start) == nil)
        bucket.take(5000)
        #expect(bucket.level == -4900)
        guard let next = bucket.time(for: 1, now: Self.start) else {
            Issue.record("the debt is forgotten")
            return
        }
        #expect(next - Self.start > .seconds(300))
        #expect(bucket.time(for: 1, now: next) == nil)
    }

    @Test func anEstimateIsPutRight() {
        var bucket = RateBucket(perMinute: 1000, now: Self.start)
        bucket.take(80)
        bucket.correct(estimate: 80, actual: 30, now: Self.start)
        #expect(bucket.level == 70)
        bucket.correct(estimate: 0, actual: 100, now: Self.start)
        #expect(bucket.level == -30)
        bucket.correct(estimate: 10_000, actual: 0, now: Self.start)
        #expect(bucket.level == bucket.capacity)
    }

    @Test(arguments: [Int.max, Int.min])
    func usageThatCannotBeTrueClosesTheUpstreamForMinutesOnly(_ actual: Int) {
        var bucket = RateBucket(perMinute: 60, now: Self.start)
        bucket.take(1)
        bucket.correct(estimate: 1, actual: actual, now: Self.start)
        if let later = bucket.time(for: 1, now: Self.start) { #expect(later - Self.start < .seconds(700)) }
    }

    @Test func aClockThatStandsOrGoesBackFillsNothing() {
        var bucket = RateBucket(perMinute: 10, now: Self.start)
        bucket.take(1)
        #expect(bucket.time(for: 1, now: Instant(nanoseconds: 0)) != nil && bucket.level == 0)
    }
}

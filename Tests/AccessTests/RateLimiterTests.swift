import Network
import Testing

@testable import Access

/// Limits of keys, with a clock of the test's.
@Suite struct RateLimiterTests {
    private let limiter = RateLimiter()
    private let start = Instant(nanoseconds: 1_000_000_000)

    private func refusal(
        _ limits: RateLimits, tokens: Int = 0, key: String = "key", at seconds: Double = 0
    ) -> RateLimiter.Refusal? {
        do throws(RateLimiter.Refusal) {
            _ = try limiter.admit(key, limits, tokens: tokens, now: start + .seconds(seconds))
            return nil
        } catch {
            return error
        }
    }

    @Test func requestsFillUpSteadily() throws {
        let limits = RateLimits(requestsPerMinute: 3)
        for _ in 0..<3 { #expect(refusal(limits) == nil) }
        let refused = try #require(refusal(limits))
        #expect(refused.limit == .requests && refused.used == 3)
        #expect(refused.retryAfter == .seconds(20))
        #expect(refusal(limits, at: 19.9) != nil)
        #expect(refusal(limits, at: 20) == nil)
        #expect(refusal(limits, at: 20) != nil)
    }

    @Test func eachKeyHasItsOwnBudget() {
        let limits = RateLimits(requestsPerMinute: 1)
        #expect(refusal(limits, key: "a") == nil)
        #expect(refusal(limits, key: "b") == nil)
        #expect(refusal(limits, key: "a") != nil)
    }

    @Test func tokensAreSettledAtTheEndAndDebtIsWaitedOff() throws {
        let limits = RateLimits(tokensPerMinute: 100)
        #expect(refusal(limits, tokens: 10) == nil)
        limiter.settle("key", estimate: 10, actual: 150, now: start)
        let refused = try #require(refusal(limits, tokens: 10))
        #expect(refused.limit == .tokens && refused.retryAfter == .seconds(36))
        #expect(refusal(limits, tokens: 10, at: 36) == nil)
    }

    @Test(arguments: [Int.max, Int.min, 1 << 40])
    func aReportThatCannotBeTrueIsWaitedOffWithinAnHour(_ actual: Int) throws {
        let limits = RateLimits(tokensPerMinute: 10)
        #expect(refusal(limits, tokens: 5) == nil)
        limiter.settle("key", estimate: 5, actual: actual, now: start)
        if let refused = refusal(limits, tokens: 5) {
            #expect(try #require(refused.retryAfter) <= .seconds(3700))
            #expect(try #require(refused.standing.tokens).reset <= .seconds(3700))
        }
        #expect(refusal(limits, tokens: 5, at: 3700) == nil)
    }

    @Test func whatWasEstimatedTooHighIsGivenBack() {
        let limits = RateLimits(tokensPerMinute: 100)
        #expect(refusal(limits, tokens: 100) == nil)
        #expect(refusal(limits, tokens: 50) != nil)
        limiter.settle("key", estimate: 100, actual: 20, now: start)
        #expect(refusal(limits, tokens: 80) == nil)
    }

    @Test func aRequestLargerThanTheLimitIsNotToldToWait() throws {
        let refused = try #require(refusal(RateLimits(tokensPerMinute: 100), tokens: 101))
        #expect(refused.retryAfter == nil)
    }

    @Test func concurrencyCountsWhatRunsUntilItEnds() {
        let limits = RateLimits(maxConcurrent: 2)
        #expect(refusal(limits) == nil)
        #expect(refusal(limits) == nil)
        #expect(refusal(limits)?.limit == .concurrency)
        limiter.settle("key", estimate: 0, actual: 5, now: start)
        #expect(refusal(limits) == nil)
        limiter.giveBack("key", estimate: 0, now: start)
        #expect(refusal(limits) == nil)
        #expect(refusal(limits) != nil)
    }

    @Test func whatDidNotBeginCostsNothing() {
        let limits = RateLimits(requestsPerMinute: 1, tokensPerMinute: 10, maxConcurrent: 1)
        for _ in 0..<5 {
            #expect(refusal(limits, tokens: 10) == nil)
            limiter.giveBack("key", estimate: 10, now: start)
        }
    }

    @Test func aChangedLimitKeepsWhatWasUsed() {
        #expect(refusal(RateLimits(requestsPerMinute: 1)) == nil)
        #expect(refusal(RateLimits(requestsPerMinute: 1, maxConcurrent: 5)) != nil)
        #expect(refusal(RateLimits(requestsPerMinute: 2)) == nil)
    }
}

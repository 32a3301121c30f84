import Access
import Network
import Testing

@testable import API

/// How a client is told of its limits.
@Suite struct RateLimitAnswerTests {
    @Test func aRequestLargerThanTheLimitIsNotToldToWait() throws {
        let refused = #expect(throws: RateLimiter.Refusal.self) {
            try RateLimiter().admit("key", RateLimits(tokensPerMinute: 100), tokens: 101, now: Instant(nanoseconds: 0))
        }
        #expect(APIError(try #require(refused), keyID: "k").retryAfterSeconds == nil)
    }

    @Test func fieldsTellWhatIsLeft() throws {
        let standing = try RateLimiter().admit(
            "key", RateLimits(requestsPerMinute: 60, tokensPerMinute: 600), tokens: 60, now: Instant(nanoseconds: 1_000_000_000))
        let fields = Dictionary(uniqueKeysWithValues: standing.fields.map { ($0.name, $0.value) })
        #expect(
            fields == [
                "x-ratelimit-limit-requests": "60", "x-ratelimit-remaining-requests": "59", "x-ratelimit-reset-requests": "1s",
                "x-ratelimit-limit-tokens": "600", "x-ratelimit-remaining-tokens": "540", "x-ratelimit-reset-tokens": "6s",
            ])
    }

    @Test(arguments: [
        (Duration.zero, "0s"), (.milliseconds(17), "17ms"), (.seconds(1), "1s"), (.milliseconds(1500), "1.5s"),
        (.milliseconds(8640), "8.64s"), (.seconds(360), "6m0s"), (.milliseconds(61_020), "1m1.02s"), (.seconds(3600), "1h0m0s"),
        (.nanoseconds(1), "1ms"),
    ])
    func durationsAreWrittenAsGoDoes(duration: Duration, text: String) {
        #expect(duration.goText == text)
    }
}

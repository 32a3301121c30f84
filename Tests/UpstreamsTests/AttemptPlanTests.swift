import Network
import Testing

@testable import Upstreams

@Suite struct AttemptPlanTests {
    private static let all: UpstreamSet = [UpstreamSet(0), UpstreamSet(1)]
    private static let down = UpstreamFault.transport(.couldNotConnect)
    private static func status(_ code: Int, _ retryAfter: Double? = nil) -> UpstreamFault {
        .status(code, UpstreamErrorObject(), retryAfterSeconds: retryAfter)
    }

    @Test(arguments: [
        down, .transport(.tls("x")), .transport(.silence(.seconds(1))), .transport(.cut), status(429), status(408), status(500),
        status(503), status(401), status(404), .inBand(UpstreamErrorObject()), .truncated, .malformed("x"),
    ])
    func anotherIsAskedAtOnce(_ fault: UpstreamFault) {
        var plan = AttemptPlan(candidates: Self.all, maxAttempts: 3)
        #expect(plan.step(after: fault, at: 0, healthy: Self.all, jitter: 0) == .go(excluding: UpstreamSet(0)))
    }

    @Test(arguments: [400, 413, 422])
    func whatIsWrongWithTheRequestIsWrongEverywhere(_ code: Int) {
        var plan = AttemptPlan(candidates: Self.all, maxAttempts: 3)
        #expect(plan.step(after: Self.status(code), at: 0, healthy: Self.all, jitter: 0) == .giveUp)
    }

    @Test func whenAllWereAskedThoseThatMayDoBetterAreAskedAgainAfterAPause() {
        var plan = AttemptPlan(candidates: Self.all, maxAttempts: 4)
        #expect(plan.step(after: Self.status(503), at: 0, healthy: Self.all, jitter: 1) == .go(excluding: UpstreamSet(0)))
        #expect(
            plan.step(after: Self.status(401), at: 1, healthy: Self.all, jitter: 1)
                == .pause(seconds: 0.25, excluding: UpstreamSet(1)))
        #expect(plan.step(after: Self.down, at: 0, healthy: Self.all, jitter: 1) == .giveUp, "it was asked twice")
        #expect(plan.attempts == 3 && plan.hasRepeated)
    }

    @Test func noUpstreamIsAskedMoreThanTwiceHoweverManyAttemptsThereMayBe() {
        var plan = AttemptPlan(candidates: UpstreamSet(0), maxAttempts: 100)
        #expect(plan.step(after: Self.down, at: 0, healthy: UpstreamSet(0), jitter: 1) == .pause(seconds: 0.25, excluding: []))
        #expect(!plan.hasRepeated)
        #expect(plan.step(after: Self.down, at: 0, healthy: UpstreamSet(0), jitter: 1) == .giveUp)
    }

    @Test func oneThatIsNotWellIsNotWaitedFor() {
        var plan = AttemptPlan(candidates: Self.all, maxAttempts: 3)
        #expect(plan.step(after: Self.down, at: 0, healthy: UpstreamSet(0), jitter: 1) == .pause(seconds: 0.25, excluding: []))
    }

    @Test func aLongRetryAfterOfTheLastOneLeftEndsIt() {
        var plan = AttemptPlan(candidates: UpstreamSet(0), maxAttempts: 3)
        #expect(plan.step(after: Self.status(429, 60), at: 0, healthy: UpstreamSet(0), jitter: 0) == .giveUp)
    }

    @Test func clientsCannotCloseAnUpstreamForOthers() {
        for code in [400, 403, 404, 413, 422, 429] { #expect(Self.status(code).verdict == .nothing) }
        for code in [401, 408, 500, 503, 529] { #expect(Self.status(code).verdict == .failure) }
        #expect(Self.status(429, 3).rest == .seconds(3) && Self.status(429).rest == .seconds(1))
        #expect(Self.status(503, 1e9).rest == .seconds(120) && Self.status(503).rest == nil && Self.status(500, 3).rest == nil)
    }
}

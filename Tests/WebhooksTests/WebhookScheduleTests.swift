import Testing

@testable import Jobs

@Suite struct WebhookScheduleTests {
    @Test func theDelaysGrowToADay() {
        let schedule = WebhookSchedule()
        let delays = (1...11).map { schedule.delay(afterAttempt: $0, retryAfter: nil, random: 0.5) }
        #expect(delays == [5, 30, 120, 600, 1800, 3600, 7200, 14_400, 28_800, 28_800, nil])
        #expect(delays.compactMap(\.self).reduce(0, +) > 23 * 3600)
        #expect(WebhookSchedule.attemptCount == 11)
    }

    @Test func jitterGoesAFifthToBothSides() {
        let schedule = WebhookSchedule()
        #expect(schedule.delay(afterAttempt: 2, retryAfter: nil, random: 0) == 24)
        #expect(schedule.delay(afterAttempt: 2, retryAfter: nil, random: 0.999_999).map { $0 > 35.9 && $0 < 36 } == true)
    }

    @Test func theOthersKeepTheirProportionToTheFirst() {
        let schedule = WebhookSchedule(base: .milliseconds(50))
        #expect(schedule.delay(afterAttempt: 1, retryAfter: nil, random: 0.5) == 0.05)
        #expect(schedule.delay(afterAttempt: 3, retryAfter: nil, random: 0.5).map { abs($0 - 1.2) < 1e-9 } == true)
    }

    @Test func aReceiverMayAskForMoreTimeButNotForLess() {
        let schedule = WebhookSchedule()
        #expect(schedule.delay(afterAttempt: 1, retryAfter: 90, random: 0.5) == 90)
        #expect(schedule.delay(afterAttempt: 4, retryAfter: 90, random: 0.5) == 600)
        #expect(schedule.delay(afterAttempt: 1, retryAfter: 1e9, random: 0.5) == 28_800)
        #expect(schedule.delay(afterAttempt: 11, retryAfter: 90, random: 0.5) == nil)
    }
}

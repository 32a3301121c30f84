import HTTP
import Testing

@testable import Upstreams

@Suite struct RetryAfterTests {
    /// Sun, 06 Nov 1994 08:49:37 GMT.
    private static let now = 784_111_777

    private func seconds(_ fields: KeyValuePairs<String, String>, status: Int = 429) throws -> Double? {
        var all = HeaderFields()
        for (name, value) in fields { try all.append(name, value) }
        return RetryAfter.seconds(all, status: status, now: Self.now)
    }

    @Test func secondsAndMilliseconds() throws {
        #expect(try seconds(["Retry-After": "2"]) == 2)
        #expect(try seconds(["Retry-After": "0.5"]) == 0.5)
        #expect(try seconds(["retry-after-ms": "1500", "Retry-After": "9"]) == 1.5)
    }

    @Test(arguments: ["-1", "nan", "inf", "soon", "", "Wed, 99 Oct 2026 07:28:00 GMT"])
    func whatIsNoTimeIsPassedOver(_ text: String) throws {
        #expect(try seconds(["Retry-After": text]) == nil)
    }

    @Test(arguments: ["1e300", "9223372036854775807", "999999999999999999999999999999"])
    func aHugeTimeSaturates(_ text: String) throws {
        #expect(try seconds(["Retry-After": text]) == RetryAfter.maxSeconds)
        #expect(try seconds(["retry-after-ms": text]) == RetryAfter.maxSeconds)
    }

    @Test func aDateIsReadInAllThreeForms() throws {
        #expect(try seconds(["Retry-After": "Sun, 06 Nov 1994 08:50:17 GMT"]) == 40)
        #expect(try seconds(["Retry-After": "Sunday, 06-Nov-94 08:50:17 GMT"]) == 40)
        #expect(try seconds(["Retry-After": "Sun Nov  6 08:50:17 1994"]) == 40)
        #expect(try seconds(["Retry-After": "Sun, 06 Nov 1994 08:00:00 GMT"]) == 0, "it is over")
        #expect(try seconds(["Retry-After": "Fri, 31 Dec 9999 23:59:59 GMT"]) == RetryAfter.maxSeconds)
    }

    @Test func aDateCountsByTheClockOfItsServer() throws {
        let fields: KeyValuePairs = ["Date": "Sun, 06 Nov 1994 07:00:00 GMT", "Retry-After": "Sun, 06 Nov 1994 07:00:05 GMT"]
        #expect(try seconds(fields) == 5)
    }

    @Test func aRateLimitThatIsUsedUpTellsWhenItIsFilledAgain() throws {
        let fields: KeyValuePairs = [
            "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m1.5s", "x-ratelimit-remaining-tokens": "10",
            "x-ratelimit-reset-tokens": "9h",
        ]
        #expect(try seconds(fields) == 361.5)
        #expect(try seconds(fields, status: 500) == nil)
        #expect(try seconds(["x-ratelimit-reset": "30"]) == 30)
        #expect(try seconds(["x-ratelimit-reset": "784111787"]) == 10)
        #expect(try seconds(["x-ratelimit-reset": "784111787000"]) == 10)
    }

    @Test(
        arguments: [
            ("36s", 36), ("1.5s", 1.5), ("120ms", 0.12), ("1h2m3s", 3723), ("7", 7), ("s", nil), ("1x", nil), ("", nil),
            ("1s1", nil),
        ] as [(String, Double?)])
    func durations(_ text: String, _ seconds: Double?) {
        #expect(RetryAfter.seconds(ofDuration: text) == seconds)
    }
}

import FoundationEssentials
import HTTP
import Testing

@Suite struct HTTPDateTests {
    @Test(arguments: [
        (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"), (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
        (-5, "Thu, 01 Jan 1970 00:00:00 GMT"), (951_782_399, "Mon, 28 Feb 2000 23:59:59 GMT"),
        (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"), (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
        (Int.max, "Fri, 31 Dec 9999 23:59:59 GMT"),
    ])
    func formats(seconds: Int, text: String) {
        #expect(HTTPDate.format(unixSeconds: seconds) == text)
    }

    @Test(arguments: [
        "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994",
    ])
    func readsAllThreeForms(text: String) {
        #expect(HTTPDate.parse(text, now: 1_790_000_000) == 784_111_777)
    }

    @Test(arguments: [
        "", "GMT", "120", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 CET", "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 32 Nov 1994 08:49:37 GMT", "Sun, 06 Xxx 1994 08:49:37 GMT", "Sun, 06 Nov 199 08:49:37 GMT",
        "Sun, 06 Nov 1969 08:49:37 GMT", "Sun, 06 Nov 1994 08:49 GMT", "Sun, -6 Nov 1994 08:49:37 GMT x",
        "Sun, 06 Nov 99999999999999999999 08:49:37 GMT", "Sun, 06 Nov 1994 08::37 GMT",
    ])
    func whatIsNoDateIsNone(text: String) {
        #expect(HTTPDate.parse(text, now: 1_790_000_000) == nil)
    }

    @Test func aYearOfTwoDigitsIsNearNow() {
        #expect(HTTPDate.parse("Tuesday, 24-Nov-26 00:00:00 GMT", now: 1_790_000_000) == 1_795_478_400)
        #expect(HTTPDate.parse("Wednesday, 24-Nov-76 00:00:00 GMT", now: 1_790_000_000) == 3_373_401_600)
        #expect(HTTPDate.parse("Thursday, 24-Nov-77 00:00:00 GMT", now: 1_790_000_000) == 249_177_600)
    }

    /// Each day of 400 years follows the one before.
    @Test func daysFollowOneAnother() {
        var calendar = Calendar(identifier: .gregorian)
        guard let utc = TimeZone(secondsFromGMT: 0) else { return }
        calendar.timeZone = utc
        for day in stride(from: 0, to: 146_097, by: 61) {
            let parts = calendar.dateComponents([.day, .year], from: Date(timeIntervalSince1970: Double(day) * 86_400))
            let text = HTTPDate.format(unixSeconds: day * 86_400).split(separator: " ")
            #expect(HTTPDate.parse(HTTPDate.format(unixSeconds: day * 86_400 + 86_399), now: 0) == day * 86_400 + 86_399)
            #expect(Int(text[1]) == parts.day && Int(text[3]) == parts.year)
        }
    }
}

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

    /// Each day of 400 years follows the one before.
    @Test func daysFollowOneAnother() {
        var calendar = Calendar(identifier: .gregorian)
        guard let utc = TimeZone(secondsFromGMT: 0) else { return }
        calendar.timeZone = utc
        for day in stride(from: 0, to: 146_097, by: 61) {
            let parts = calendar.dateComponents([.day, .year], from: Date(timeIntervalSince1970: Double(day) * 86_400))
            let text = HTTPDate.format(unixSeconds: day * 86_400).split(separator: " ")
            #expect(Int(text[1]) == parts.day && Int(text[3]) == parts.year)
        }
    }
}

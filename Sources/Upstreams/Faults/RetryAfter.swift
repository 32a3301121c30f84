package import HTTP

/// Parses when an upstream accepts the next request, in the forms that upstreams use. All results are in seconds from now.
package enum RetryAfter {
    /// Longer delays are clamped to one year.
    package static let maxSeconds = 31_536_000.0

    /// Seconds until the upstream accepts the next request; nil if it did not say.
    /// - Parameters:
    ///   - status: rate limit fields also accompany successful responses, so they are read for a 429 only.
    ///   - now: seconds since 1970.
    package static func seconds(_ fields: HeaderFields, status: Int, now: Int) -> Double? {
        if let milliseconds = fields["retry-after-ms"].flatMap(number) { return bounded(milliseconds / 1000) }
        if let text = fields["retry-after"] {
            if let seconds = number(text) { return bounded(seconds) }
            if let date = HTTPDate.parse(text, now: now) {
                // Relative to the upstream's clock if it sent one, since ours may differ.
                let start = fields["date"].flatMap { HTTPDate.parse($0, now: now) } ?? now
                return bounded(Double(max(0, date - start)))
            }
        }
        return status == 429 ? ofRateLimit(fields, now: now) : nil
    }

    /// OpenAI's `x-ratelimit-reset-requests` and `-tokens`, whichever limit is exhausted; otherwise `x-ratelimit-reset`, in seconds
    /// or as a time since 1970.
    private static func ofRateLimit(_ fields: HeaderFields, now: Int) -> Double? {
        var longest: Double?
        for kind in ["requests", "tokens"] where fields["x-ratelimit-remaining-\(kind)"].flatMap(number) == 0 {
            guard let seconds = fields["x-ratelimit-reset-\(kind)"].flatMap(seconds(ofDuration:)) else { continue }
            longest = max(longest ?? 0, seconds)
        }
        if let longest { return longest }
        guard let reset = (fields["x-ratelimit-reset"] ?? fields["ratelimit-reset"]).flatMap(number) else { return nil }
        // A time in milliseconds, a time in seconds, or a duration.
        if reset >= 1e11 { return bounded(max(0, reset / 1000 - Double(now))) }
        return bounded(reset >= 1e8 ? max(0, reset - Double(now)) : reset)
    }

    /// Parses `36s`, `1.5s`, `6m0s`, `120ms`, `1h2m` or plain seconds: Go's durations, also used by Google's `RetryInfo`.
    static func seconds(ofDuration text: String) -> Double? {
        if let seconds = number(text) { return bounded(seconds) }
        var rest = text[...]
        var total = 0.0
        while !rest.isEmpty {
            let digits = rest.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
            rest = rest.dropFirst(digits.count)
            let unit = rest.prefix { $0.isASCII && $0.isLetter }
            rest = rest.dropFirst(unit.count)
            guard let number = Double(digits), let factor = ["h": 3600, "m": 60, "s": 1, "ms": 1e-3, "us": 1e-6, "ns": 1e-9][unit]
            else { return nil }
            total += number * factor
        }
        return text.isEmpty ? nil : bounded(total)
    }

    /// nil for a negative or invalid duration.
    static func bounded(_ seconds: Double) -> Double? { seconds >= 0 ? min(seconds, maxSeconds) : nil }

    private static func number(_ text: String) -> Double? {
        guard let number = Double(text), number >= 0, number.isFinite else { return nil }
        return number
    }
}

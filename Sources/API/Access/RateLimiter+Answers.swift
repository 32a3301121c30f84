package import Access
import Bytes
import HTTP
import Network

extension RateLimiter.Standing {
    /// OpenAI's `x-ratelimit-*` header fields.
    package var fields: [(name: String, value: String)] {
        var fields: [(name: String, value: String)] = []
        for (name, budget) in [("requests", requests), ("tokens", tokens)] {
            guard let budget else { continue }
            fields.append(("x-ratelimit-limit-\(name)", String(budget.limit)))
            fields.append(("x-ratelimit-remaining-\(name)", String(budget.remaining)))
            fields.append(("x-ratelimit-reset-\(name)", budget.reset.goText))
        }
        return fields
    }
}

extension APIError {
    /// The 429 error for a refused generation.
    package init(_ refusal: RateLimiter.Refusal, keyID: String) {
        let (size, used, requested) = (refusal.size, refusal.used, refusal.requested)
        switch (refusal.limit, refusal.retryAfter) {
        case (.tokens, nil):
            self.init(
                status: .tooManyRequests,
                message:
                    "Request too large for key \(keyID) on tokens per min (TPM): Limit \(size), Requested \(requested). Ask for less.",
                type: "tokens", code: "rate_limit_exceeded")
        case (.concurrency, let wait):
            self.init(
                status: .tooManyRequests,
                message: "Key \(keyID) has \(used) generations running or waiting, and may have \(size). Wait for one to end.",
                type: "requests", code: "rate_limit_exceeded", retryAfterSeconds: wait?.seconds)
        case (.requests, let wait), (.tokens, let wait):
            let (words, type) =
                refusal.limit == .requests ? ("requests per min (RPM)", "requests") : ("tokens per min (TPM)", "tokens")
            let text =
                "Rate limit reached for key \(keyID) on \(words): Limit \(size), Used \(used), Requested \(requested). Please try again in \((wait ?? .zero).goText)."
            self.init(
                status: .tooManyRequests, message: text, type: type, code: "rate_limit_exceeded", retryAfterSeconds: wait?.seconds)
        }
        fields += refusal.standing.fields
    }
}

extension Duration {
    /// The format of OpenAI's `x-ratelimit-reset-*`, which is Go's: `0s`, `17ms`, `1.5s`, `6m0s`, `1h0m0s`.
    var goText: String {
        let milliseconds = Int(saturating: (Double(nanoseconds) / 1e6).rounded(.up))
        if milliseconds <= 0 { return "0s" }
        if milliseconds < 1000 { return "\(milliseconds)ms" }
        let (hours, minutes) = (milliseconds / 3_600_000, milliseconds / 60_000 % 60)
        let (seconds, rest) = (milliseconds / 1000 % 60, milliseconds % 1000)
        var fraction = String(rest + 1000).dropFirst()
        while fraction.last == "0" { fraction.removeLast() }
        let tail = "\(seconds)" + (fraction.isEmpty ? "" : "." + fraction) + "s"
        if hours > 0 { return "\(hours)h\(minutes)m" + tail }
        return minutes > 0 ? "\(minutes)m" + tail : tail
    }
}

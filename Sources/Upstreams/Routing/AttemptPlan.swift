/// One request's way through the upstreams: which were asked, and what comes after a fault before the first token.
///
/// Another upstream is asked at once; only when all were asked are those that may do better asked again, after a pause.
package struct AttemptPlan: Sendable {
    package enum Step: Sendable, Equatable {
        /// Ask one of those not excluded.
        case go(excluding: UpstreamSet)
        case pause(seconds: Double, excluding: UpstreamSet)
        case giveUp
    }

    private let candidates: UpstreamSet
    private let maxAttempts: Int
    /// Attempts that ended.
    package private(set) var attempts = 0
    /// Asked in this round.
    private var asked: UpstreamSet = []
    /// Those that would say the same again.
    private var given: UpstreamSet = []

    package init(candidates: UpstreamSet, maxAttempts: Int) {
        self.candidates = candidates
        self.maxAttempts = maxAttempts
    }

    /// - Parameters:
    ///   - healthy: upstreams that may be asked at present.
    ///   - jitter: 0 ..< 1.
    package mutating func step(after fault: UpstreamFault, at upstream: Int, healthy: UpstreamSet, jitter: Double) -> Step {
        attempts += 1
        asked.insert(upstream)
        let delay = RetryPolicy.delay(after: fault, attempt: attempts, maxAttempts: maxAttempts, jitter: jitter)
        if delay == nil { given.insert(upstream) }
        guard attempts < maxAttempts, fault.mayFallOver else { return .giveUp }
        if !candidates.intersection(healthy).subtracting(asked).isEmpty { return .go(excluding: asked) }
        if candidates.subtracting(given).isEmpty { return .giveUp }
        asked = given
        return .pause(seconds: delay ?? RetryPolicy.firstDelaySeconds, excluding: given)
    }
}

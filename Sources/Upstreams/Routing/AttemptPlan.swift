/// One request's way through the upstreams: which were asked, and what comes after a fault before the first token.
///
/// Another upstream is asked at once; only when all were asked are those that may do better asked again, after a pause, and once.
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
    /// Asked in any round.
    private var askedOnce: UpstreamSet = []
    /// Asked as often as they may be: clients try again by themselves too, and each of theirs would cost as many calls.
    private var askedTwice: UpstreamSet = []
    /// Those that would say the same again, or were asked as often as they may be.
    private var given: UpstreamSet = []

    /// Whether an upstream was asked again.
    package var hasRepeated: Bool { !askedTwice.isEmpty }

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
        if askedOnce.contains(upstream) { askedTwice.insert(upstream) } else { askedOnce.insert(upstream) }
        if delay == nil || askedTwice.contains(upstream) { given.insert(upstream) }
        guard attempts < maxAttempts, fault.mayFallOver else { return .giveUp }
        if !candidates.intersection(healthy).subtracting(asked).isEmpty { return .go(excluding: asked) }
        if candidates.subtracting(given).isEmpty { return .giveUp }
        asked = given
        return .pause(seconds: delay ?? RetryPolicy.firstDelaySeconds, excluding: given)
    }
}

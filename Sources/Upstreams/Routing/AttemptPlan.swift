/// The attempts of one request: which upstreams were tried, and the next step after a fault before the first token.
///
/// Another upstream is tried at once. Only when all were tried are those that may recover tried a second and last time, after a
/// delay.
package struct AttemptPlan: Sendable {
    /// The next step after a failed attempt.
    package enum Step: Sendable, Equatable {
        /// Try an upstream that is not excluded.
        case go(excluding: UpstreamSet)
        case pause(seconds: Double, excluding: UpstreamSet)
        case giveUp
    }

    private let candidates: UpstreamSet
    private let maxAttempts: Int
    /// Number of attempts that have ended.
    package private(set) var attempts = 0
    /// Tried in this round.
    private var asked: UpstreamSet = []
    /// Tried in any round.
    private var askedOnce: UpstreamSet = []
    /// Tried twice, the most allowed: clients retry as well, and each of their retries would cost as many calls.
    private var askedTwice: UpstreamSet = []
    /// Upstreams that would give the same answer again, or were tried twice.
    private var given: UpstreamSet = []

    /// Whether an upstream was tried again.
    package var hasRepeated: Bool { !askedTwice.isEmpty }

    /// - Parameters:
    ///   - candidates: the upstreams that serve the model.
    ///   - maxAttempts: attempts in all, from 1.
    package init(candidates: UpstreamSet, maxAttempts: Int) {
        self.candidates = candidates
        self.maxAttempts = maxAttempts
    }

    /// Records a failed attempt and decides on the next step.
    /// - Parameters:
    ///   - healthy: upstreams available at present.
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

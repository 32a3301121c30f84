import Bytes
package import Network

/// Excludes an upstream from requests by the outcome of its recent ones. The caller supplies the time and the randomness.
///
/// *Closed*: requests pass. *Open*: it failed too often and is left alone, longer each time. *Half open*: one request tries it; its
/// first token closes the breaker, its failure reopens it.
package struct CircuitBreaker: Sendable {
    /// The state, with the end of the exclusion or whether a trial is in progress.
    package enum State: Sendable, Hashable {
        case closed
        case open(until: Instant)
        case halfOpen(isTrying: Bool)

        /// Label in metrics and logs.
        package var name: String {
            switch self {
            case .closed: "closed"
            case .open: "open"
            case .halfOpen: "half_open"
            }
        }
    }

    /// A request's evidence about its upstream's health.
    package enum Verdict: Sendable, Hashable {
        case success, failure
        /// No evidence: the request was cancelled, or rejected for its content.
        case nothing
    }

    /// Carried by a request that was admitted, and returned with its verdict.
    package struct Pass: Sendable, Hashable {
        let epoch: Int
        let isTrial: Bool
    }

    /// Most and fewest verdicts from which the failure ratio is computed.
    package static let windowCount = 20
    package static let minWindowCount = 10

    package let options: BreakerOptions
    package private(set) var state = State.closed
    /// Number of openings: a request that began before one is no evidence about the time after it.
    private var epoch = 0
    /// Consecutive openings without a success in between.
    private var openings = 0
    /// Number of failures since the last success or transition.
    private(set) package var consecutiveFailures = 0
    /// The most recent verdicts as bits; a set bit is a failure.
    private var window: UInt32 = 0
    private var windowFill = 0

    package init(_ options: BreakerOptions = BreakerOptions()) { self.options = options }

    /// Whether a request may pass. Call ``refresh(now:)`` first.
    package var admits: Bool {
        switch state {
        case .closed, .halfOpen(isTrying: false): true
        case .open, .halfOpen(isTrying: true): false
        }
    }

    /// Makes an open breaker half open once its time has elapsed.
    package mutating func refresh(now: Instant) {
        if case .open(let until) = state, now >= until { state = .halfOpen(isTrying: false) }
    }

    /// Admits a request.
    package mutating func begin() -> Pass {
        guard case .halfOpen(isTrying: false) = state else { return Pass(epoch: epoch, isTrial: false) }
        state = .halfOpen(isTrying: true)
        return Pass(epoch: epoch, isTrial: true)
    }

    /// Reports the first piece of a request's answer, which is reason enough to admit others.
    package mutating func answered(_ pass: Pass) {
        if pass.epoch == epoch, state != .closed { close() }
    }

    /// Reports the end of a request.
    /// - Parameter chance: 0 ..< 1, to spread the reopening.
    package mutating func ended(_ pass: Pass, _ verdict: Verdict, now: Instant, chance: Double) {
        guard pass.epoch == epoch else { return }
        switch (state, verdict) {
        case (.closed, .success), (.open, .success), (.halfOpen, .success):
            close()
            openings = 0
            note(isFailure: false)
        case (.closed, .failure):
            note(isFailure: true)
            if isTooBad { open(now, chance) }
        case (.halfOpen, .failure): open(now, chance)
        case (.halfOpen, .nothing): if pass.isTrial { state = .halfOpen(isTrying: false) }
        case (.closed, .nothing), (.open, .nothing), (.open, .failure): break
        }
    }

    /// Reports the result of a probe, as opposed to a client's request.
    package mutating func probed(isWell: Bool, now: Instant, chance: Double) {
        switch (state, isWell) {
        case (.open, true): state = .halfOpen(isTrying: false)
        case (.open, false), (.halfOpen(isTrying: false), false): open(now, chance)
        case (.closed, false):
            note(isFailure: true)
            if isTooBad { open(now, chance) }
        case (.closed, true), (.halfOpen, _): break
        }
    }

    private var isTooBad: Bool {
        if consecutiveFailures >= options.maxConsecutiveFailures { return true }
        return windowFill >= Self.minWindowCount
            && Double(window.nonzeroBitCount) >= options.maxFailureRatio * Double(windowFill)
    }

    private mutating func note(isFailure: Bool) {
        consecutiveFailures = isFailure ? consecutiveFailures + 1 : 0
        window = (window << 1 | (isFailure ? 1 : 0)) & (1 << UInt32(Self.windowCount) - 1)
        windowFill = min(windowFill + 1, Self.windowCount)
    }

    private mutating func close() {
        if state == .closed { return }
        state = .closed
        forget()
    }

    private mutating func open(_ now: Instant, _ chance: Double) {
        var duration = options.openDuration
        for _ in 0..<openings where duration < options.maxOpenDuration { duration *= 2 }
        duration = min(duration, options.maxOpenDuration)
        // Spread, so that many servers do not return at once.
        state = .open(until: now + duration * (0.75 + 0.5 * chance))
        openings += 1
        epoch += 1
        forget()
    }

    private mutating func forget() {
        consecutiveFailures = 0
        window = 0
        windowFill = 0
    }
}

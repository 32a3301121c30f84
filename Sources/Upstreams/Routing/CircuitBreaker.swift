import Bytes
package import Network

/// Whether an upstream is asked at all, judged by how its last requests went. Knows no clock and no chance of its own.
///
/// *Closed*: it is asked. *Open*: it failed too often and is left alone, longer each time. *Half open*: one request tries it; its
/// first token closes the breaker, its failure opens it again.
package struct CircuitBreaker: Sendable {
    package enum State: Sendable, Hashable {
        case closed
        case open(until: Instant)
        case halfOpen(isTrying: Bool)

        /// For metrics and logs.
        package var name: String {
            switch self {
            case .closed: "closed"
            case .open: "open"
            case .halfOpen: "half_open"
            }
        }
    }

    /// What a request says of its upstream's health.
    package enum Verdict: Sendable, Hashable {
        case success, failure
        /// Cancelled, or refused for what was asked.
        case nothing
    }

    /// Held by a request that was let through.
    package struct Pass: Sendable, Hashable {
        let epoch: Int
        let isTrial: Bool
    }

    /// Verdicts that the ratio is taken of, at most and at least.
    package static let windowCount = 20
    package static let minWindowCount = 10

    package let options: BreakerOptions
    package private(set) var state = State.closed
    /// Counts the openings: what began before one says nothing of the time after it.
    private var epoch = 0
    /// Openings in a row, without a good answer between them.
    private var openings = 0
    private(set) package var consecutiveFailures = 0
    /// The last verdicts, one bit each, failures set.
    private var window: UInt32 = 0
    private var windowFill = 0

    package init(_ options: BreakerOptions = BreakerOptions()) { self.options = options }

    /// Whether a request may go. Call ``refresh(now:)`` before.
    package var admits: Bool {
        switch state {
        case .closed, .halfOpen(isTrying: false): true
        case .open, .halfOpen(isTrying: true): false
        }
    }

    /// Lets an open breaker become half open when its time has come.
    package mutating func refresh(now: Instant) {
        if case .open(let until) = state, now >= until { state = .halfOpen(isTrying: false) }
    }

    /// A request goes.
    package mutating func begin() -> Pass {
        guard case .halfOpen(isTrying: false) = state else { return Pass(epoch: epoch, isTrial: false) }
        state = .halfOpen(isTrying: true)
        return Pass(epoch: epoch, isTrial: true)
    }

    /// The first piece of its answer came: that is proof enough to let others go, too.
    package mutating func answered(_ pass: Pass) {
        if pass.epoch == epoch, state != .closed { close() }
    }

    /// - Parameter chance: 0 ..< 1.
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

    /// Records the result of a probe, which is not a client's request.
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
        // Many servers must not come back at once.
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

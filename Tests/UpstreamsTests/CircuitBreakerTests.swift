import Network
import Testing

@testable import Upstreams

@Suite struct CircuitBreakerTests {
    private static func at(_ seconds: Double) -> Instant { Instant(nanoseconds: Int64(seconds * 1e9)) }

    /// One request that begins and ends at a moment.
    private static func ask(_ breaker: inout CircuitBreaker, _ verdict: CircuitBreaker.Verdict, at seconds: Double = 0) {
        breaker.refresh(now: at(seconds))
        let pass = breaker.begin()
        breaker.ended(pass, verdict, now: at(seconds), chance: 0.5)
    }

    private static func opened() -> CircuitBreaker {
        var breaker = CircuitBreaker()
        for _ in 0..<5 { ask(&breaker, .failure) }
        return breaker
    }

    @Test func failuresInARowOpenIt() {
        var breaker = CircuitBreaker()
        for _ in 0..<4 { Self.ask(&breaker, .failure) }
        #expect(breaker.state == .closed && breaker.admits)
        Self.ask(&breaker, .failure)
        #expect(breaker.state == .open(until: Self.at(5)) && !breaker.admits)
    }

    @Test func aGoodAnswerBetweenThemKeepsItClosed() {
        var breaker = CircuitBreaker()
        for index in 0..<40 { Self.ask(&breaker, index % 3 == 2 ? .failure : .success) }
        #expect(breaker.state == .closed)
    }

    @Test func halfOfTheLastRequestsOpenIt() {
        var breaker = CircuitBreaker()
        for index in 0..<9 { Self.ask(&breaker, index % 2 == 0 ? .failure : .success) }
        #expect(breaker.state == .closed, "too few to judge by")
        Self.ask(&breaker, .failure)
        #expect(breaker.state.name == "open")
    }

    @Test func whatSaysNothingChangesNothing() {
        var breaker = CircuitBreaker()
        for _ in 0..<4 { Self.ask(&breaker, .failure) }
        for _ in 0..<50 { Self.ask(&breaker, .nothing) }
        #expect(breaker.state == .closed && breaker.consecutiveFailures == 4)
    }

    @Test func oneRequestTriesWhenTheTimeHasCome() {
        var breaker = Self.opened()
        breaker.refresh(now: Self.at(4.9))
        #expect(!breaker.admits)
        breaker.refresh(now: Self.at(5))
        #expect(breaker.admits)
        let trial = breaker.begin()
        #expect(!breaker.admits, "one at a time")
        breaker.answered(trial)
        #expect(breaker.state == .closed, "its first token is enough")
        breaker.ended(trial, .success, now: Self.at(6), chance: 0)
        #expect(breaker.state == .closed)
    }

    @Test func aTrialThatFailsOpensItForTwiceAsLongUpToABound() {
        var breaker = Self.opened()
        var now = 0.0
        var durations: [Double] = []
        for _ in 0..<8 {
            guard case .open(let until) = breaker.state else { break }
            durations.append((until - Self.at(now)).seconds)
            now = Double(until.nanoseconds) / 1e9
            Self.ask(&breaker, .failure, at: now)
        }
        #expect(durations == [5, 10, 20, 40, 80, 120, 120, 120])
        // A good answer makes it begin anew.
        guard case .open(let until) = breaker.state else { return }
        now = Double(until.nanoseconds) / 1e9
        Self.ask(&breaker, .success, at: now)
        for _ in 0..<5 { Self.ask(&breaker, .failure, at: now) }
        #expect(breaker.state == .open(until: Self.at(now + 5)))
    }

    @Test func aTrialThatIsCancelledLeavesTheTrialToTheNext() {
        var breaker = Self.opened()
        Self.ask(&breaker, .nothing, at: 5)
        #expect(breaker.state == .halfOpen(isTrying: false) && breaker.admits)
    }

    @Test func whatBeganBeforeItOpenedSaysNothingAfterwards() {
        var breaker = CircuitBreaker()
        let early = (0..<3).map { _ in breaker.begin() }
        for _ in 0..<5 { Self.ask(&breaker, .failure) }
        breaker.ended(early[0], .success, now: Self.at(1), chance: 0)
        breaker.answered(early[1])
        #expect(breaker.state.name == "open")
        breaker.refresh(now: Self.at(6))
        breaker.ended(early[2], .failure, now: Self.at(6), chance: 0)
        #expect(breaker.state == .halfOpen(isTrying: false))
    }

    @Test(arguments: [(0.0, 3.75), (0.5, 5.0), (0.999, 6.245)])
    func chanceMovesTheTimeByAQuarter(_ chance: Double, _ seconds: Double) {
        var breaker = CircuitBreaker()
        for _ in 0..<5 { breaker.ended(breaker.begin(), .failure, now: Self.at(0), chance: chance) }
        guard case .open(let until) = breaker.state else {
            Issue.record("it is closed")
            return
        }
        #expect(abs((until - Self.at(0)).seconds - seconds) < 0.01)
    }

    @Test func probesShortenAndLengthenTheTime() {
        var breaker = Self.opened()
        breaker.probed(isWell: false, now: Self.at(4), chance: 0.5)
        #expect(breaker.state == .open(until: Self.at(14)))
        breaker.probed(isWell: true, now: Self.at(5), chance: 0.5)
        #expect(breaker.state == .halfOpen(isTrying: false))
        var closed = CircuitBreaker()
        for _ in 0..<5 { closed.probed(isWell: false, now: Self.at(0), chance: 0) }
        #expect(closed.state.name == "open")
    }
}

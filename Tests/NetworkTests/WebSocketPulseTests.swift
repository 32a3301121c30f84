import Testing
import WebSocket

@testable import Network

@Suite struct WebSocketPulseTests {
    private let start = Instant(nanoseconds: 5_000_000_000)
    private var liveness = WebSocketLiveness()

    init() { liveness.pingInterval = .seconds(20) }

    private func after(_ seconds: Int) -> Instant { start + .seconds(seconds) }

    private func pong(_ pulse: inout WebSocketPulse, _ payload: Int64, at now: Instant) -> Duration? {
        withUnsafeBytes(of: payload) { pulse.pong($0, now: now) }
    }

    @Test func theFirstLookMeasuresTheRoundTrip() {
        var pulse = WebSocketPulse(now: start)
        pulse.received = after(19)
        #expect(pulse.action(now: after(20), liveness, isBusy: false) == .ping)
        pulse.pingSent = after(20)
        #expect(pong(&pulse, after(20).nanoseconds, at: after(20) + .milliseconds(7)) == .milliseconds(7))
        #expect(pulse.roundTrip == .milliseconds(7))
        pulse.received = after(39)
        #expect(pulse.action(now: after(40), liveness, isBusy: false) == .nothing)
        pulse.received = after(219)
        #expect(pulse.action(now: after(221), liveness, isBusy: false) == .ping)
    }

    @Test func aPongThatAnswersNoPingOfOursMeasuresNothing() {
        var pulse = WebSocketPulse(now: start)
        #expect(pong(&pulse, 1, at: after(1)) == nil)
        pulse.pingSent = after(2)
        #expect(pong(&pulse, 1, at: after(3)) == nil)
        #expect(pulse.pong(UnsafeRawBufferPointer(start: nil, count: 0), now: after(3)) == nil)
        #expect(pulse.roundTrip == nil)
        #expect(pong(&pulse, after(2).nanoseconds, at: after(3)) == .seconds(1))
        // Once.
        #expect(pong(&pulse, after(2).nanoseconds, at: after(4)) == nil)
    }

    @Test func silenceIsPingedAndThenDropped() {
        var pulse = WebSocketPulse(now: start)
        pulse.measured = start
        #expect(pulse.action(now: after(9), liveness, isBusy: false) == .nothing)
        #expect(pulse.action(now: after(10), liveness, isBusy: false) == .ping)
        #expect(pulse.action(now: after(40), liveness, isBusy: true) == .drop(silence: "40 s"))
    }

    @Test func whoTakesWhatIsDueIsNotSilent() {
        var pulse = WebSocketPulse(now: start)
        pulse.measured = start
        pulse.note(sentByteCount: 100, isBlocked: true, now: after(20))
        #expect(pulse.action(now: after(40), liveness, isBusy: false) == .ping)
        pulse.note(sentByteCount: 100, isBlocked: true, now: after(60))
        #expect(pulse.action(now: after(60), liveness, isBusy: false) == .drop(silence: "40 s"))
        // What the kernel takes while nothing waits says nothing about the peer.
        pulse.note(sentByteCount: 200, isBlocked: false, now: after(60))
        #expect(pulse.action(now: after(60), liveness, isBusy: false) == .drop(silence: "40 s"))
    }

    @Test func whoTakesNothingForLongerThanItMayIsDroppedThoughItSpeaks() {
        var limits = liveness
        limits.pingInterval = .seconds(3600)
        limits.stall = .seconds(60)
        var pulse = WebSocketPulse(now: start)
        pulse.measured = after(100)
        pulse.note(sentByteCount: 100, isBlocked: true, now: after(100))
        pulse.received = after(159)
        #expect(pulse.action(now: after(159), limits, isBusy: true) == .nothing)
        pulse.note(sentByteCount: 101, isBlocked: true, now: after(159))
        #expect(pulse.action(now: after(160), limits, isBusy: true) == .nothing)
        pulse.note(sentByteCount: 101, isBlocked: true, now: after(219))
        #expect(pulse.action(now: after(219), limits, isBusy: true) == .drop(silence: "60 s"))
        // Whose output waits no more is not judged by it.
        pulse.note(sentByteCount: 101, isBlocked: false, now: after(219))
        #expect(pulse.action(now: after(219), limits, isBusy: true) == .nothing)
    }

    @Test func idlenessIsAboutMessagesAndWaitsForWhatRuns() {
        var limits = liveness
        limits.idleLimit = .seconds(60)
        var pulse = WebSocketPulse(now: start)
        pulse.received = after(60)
        pulse.measured = after(60)
        #expect(pulse.action(now: after(60), limits, isBusy: true) == .nothing)
        #expect(pulse.action(now: after(60), limits, isBusy: false) == .close(.goingAway, reason: "idle: no message for 60 s"))
        pulse.message = after(30)
        #expect(pulse.action(now: after(60), limits, isBusy: false) == .nothing)
    }

    @Test func theLifetimeEndsATenthLaterWhenSomethingRuns() {
        var limits = liveness
        limits.lifetime = .seconds(100)
        var pulse = WebSocketPulse(now: start)
        pulse.received = after(110)
        pulse.measured = after(110)
        let close = WebSocketPulse.Action.close(.goingAway, reason: "lifetime: open for 100 s; connect again")
        #expect(pulse.action(now: after(99), limits, isBusy: false) == .nothing)
        #expect(pulse.action(now: after(100), limits, isBusy: false) == close)
        #expect(pulse.action(now: after(109), limits, isBusy: true) == .nothing)
        #expect(pulse.action(now: after(110), limits, isBusy: true) == close)
    }
}

import Testing

@testable import Network

/// On a clock that is turned by hand.
@Suite struct SilenceWatchTests {
    private static let timeout = Duration.seconds(8)

    /// Looks whenever it is told to, until the silence has lasted too long.
    /// - Parameter uploaded: bytes of the request's body that have gone out at a time.
    private func end(of watch: inout SilenceWatch, from start: Duration = .zero, uploaded: (Duration) -> Int) -> Duration {
        var now = start
        while let next = watch.look(now: at(now), uploadedByteCount: uploaded(now), isPaused: false) { now += next }
        return now
    }

    private func at(_ time: Duration) -> Instant { Instant(nanoseconds: 0) + time }

    @Test func aServerThatSaysNothingIsGivenUpInTime() {
        var watch = SilenceWatch(timeout: Self.timeout, uploadByteCount: 0)
        #expect(end(of: &watch) { _ in 0 } == Self.timeout)
    }

    /// The request itself goes out at once, and is no reason to wait twice.
    @Test func theRequestAddsLittleToTheSilence() {
        var watch = SilenceWatch(timeout: Self.timeout, uploadByteCount: 500)
        let ended = end(of: &watch) { $0 > .milliseconds(1) ? 500 : 0 }
        #expect(ended >= Self.timeout && ended <= Self.timeout * 1.1)
    }

    @Test func aRequestThatStopsHalfWayIsASilenceToo() {
        var watch = SilenceWatch(timeout: Self.timeout, uploadByteCount: 500)
        let ended = end(of: &watch) { $0 > .seconds(1) ? 250 : 0 }
        #expect(ended >= .seconds(9) && ended <= .seconds(1) + Self.timeout * 1.1)
    }

    @Test func aLongRequestOnASlowLineIsNoSilence() {
        var watch = SilenceWatch(timeout: Self.timeout, uploadByteCount: 100_000)
        let ended = end(of: &watch) { min(100_000, Int($0.components.seconds) * 1000) }
        #expect(ended >= .seconds(108) && ended <= .seconds(100) + Self.timeout * 1.1)
    }

    @Test func aSilenceCountsFromTheLastProgress() {
        var watch = SilenceWatch(timeout: Self.timeout, uploadByteCount: 500)
        _ = watch.look(now: at(.zero), uploadedByteCount: 500, isPaused: false)
        watch.progress(now: at(.seconds(7)))
        #expect(end(of: &watch, from: .seconds(8)) { _ in 500 } == .seconds(15))
        // A shorter one, behind the end of what is waited for.
        watch.progress(now: at(.seconds(20)))
        watch.timeout = .seconds(2)
        #expect(end(of: &watch, from: .seconds(20)) { _ in 500 } == .seconds(22))
    }

    @Test func aPauseOfOursIsNoSilence() {
        var watch = SilenceWatch(timeout: Self.timeout, uploadByteCount: 0)
        #expect(watch.look(now: at(.seconds(60)), uploadedByteCount: 0, isPaused: true) == Self.timeout)
        #expect(end(of: &watch, from: .seconds(60)) { _ in 0 } == .seconds(68))
    }
}

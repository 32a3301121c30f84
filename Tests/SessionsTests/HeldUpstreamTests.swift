import Sessions
import Testing

/// An upstream that is faster than everybody who listens waits; one reader that keeps up is enough for it to go on.
@Suite struct HeldUpstreamTests {
    private let fixture: Fixture
    private let generation: Generation

    init() throws {
        var limits = SessionLimits()
        limits.maxLogBytes = 20_000
        fixture = Fixture(limits: limits)
        generation = try fixture.submit("go").generation
    }

    private var call: ScriptedCall { fixture.model.calls[0] }

    /// Speaks until the upstream is held, at most so often. Returns whether it was.
    private func speakUntilHeld(_ words: Int = 2000) -> Bool {
        for number in 0..<words where !call.isPaused { generation.say("word\(number) ") }
        return call.isPaused
    }

    private func stalledReader() throws -> Recorder {
        let reader = Recorder()
        reader.credit = 1
        try fixture.session.attach(reader, after: fixture.session.log.lastPosition)
        return reader
    }

    @Test func theOnlyReaderLosesNothingHoweverSlowItIs() throws {
        let reader = try stalledReader()
        let start = reader.position
        #expect(speakUntilHeld())
        for _ in 0..<20 {
            reader.credit = 100_000
            fixture.session.resume(reader)
            #expect(!call.isPaused)
            reader.credit = 1
            #expect(speakUntilHeld())
        }
        reader.credit = nil
        fixture.session.resume(reader)
        generation.finish(.stop)
        #expect(reader.snapshots.isEmpty)
        #expect(reader.sequences == Array((start + 1)...fixture.session.log.lastPosition))
    }

    @Test func oneReaderThatKeepsUpIsEnough() throws {
        let slow = try stalledReader()
        let quick = Recorder()
        try fixture.session.attach(quick, after: fixture.session.log.lastPosition)
        #expect(!speakUntilHeld())
        #expect(quick.position == fixture.session.log.lastPosition)
        slow.credit = nil
        fixture.session.resume(slow)
        #expect(slow.snapshots.count == 1)
    }

    @Test func whenTheSlowOneLeavesItGoesOn() throws {
        let reader = try stalledReader()
        #expect(speakUntilHeld())
        fixture.session.detach(reader)
        #expect(!call.isPaused)
        #expect(!speakUntilHeld())
    }

    @Test func nobodyListensNobodyHolds() {
        #expect(!speakUntilHeld())
    }

    @Test func anInterjectionIsNotHeldUp() throws {
        let reader = try stalledReader()
        #expect(speakUntilHeld())
        let next = try fixture.submit("stop", mode: .interrupt).generation
        #expect(call.cancelCount == 1)
        #expect(fixture.session.active === next)
        #expect(fixture.model.calls[1].isPaused)
        reader.credit = nil
        fixture.session.resume(reader)
        #expect(!fixture.model.calls[1].isPaused)
        #expect(reader.snapshots.isEmpty)
    }
}

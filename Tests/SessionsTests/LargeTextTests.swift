import JSON
import Sessions
import Testing

/// Texts that come in few, large pieces: one of them does not push out of the log what comes before and behind it.
@Suite struct LargeTextTests {
    private static let text = String(repeating: "x", count: 60_000)

    private func fixture() -> Fixture {
        var limits = SessionLimits()
        limits.maxLogBytes = 80_000
        return Fixture(limits: limits)
    }

    private func slowReader(_ fixture: Fixture, _ catchUp: CatchUp = .losslessOrClose) throws -> Recorder {
        let reader = Recorder(catchUp: catchUp)
        try fixture.session.attach(reader, after: fixture.session.log.lastPosition)
        return reader
    }

    @Test func aReaderThatLagsGetsTheEndOfALargeAnswer() throws {
        let fixture = fixture()
        let reader = try slowReader(fixture)
        let generation = try fixture.submit("hi").generation
        reader.credit = 1
        generation.think(Self.text)
        generation.say(Self.text)
        generation.finish(.stop)
        #expect(fixture.session.log.byteCount > 80_000)

        reader.credit = nil
        fixture.session.resume(reader)
        #expect(reader.placeGoneCount == 0)
        #expect(reader.types.last == .responseCompleted)
        #expect(reader.sequences == Array(2...fixture.session.log.lastPosition))
        // What is not needed any more is gone.
        #expect(fixture.session.log.byteCount <= 80_000 || fixture.session.log.oldestPosition == fixture.session.log.lastPosition)
    }

    @Test func aReaderThatLeavesIsWaitedForNoLonger() throws {
        let fixture = fixture()
        let reader = try slowReader(fixture)
        let generation = try fixture.submit("hi").generation
        reader.credit = 1
        generation.say(Self.text)
        generation.say(Self.text)
        generation.finish(.stop)
        #expect(fixture.session.log.byteCount > 80_000)
        fixture.session.detach(reader)
        #expect(fixture.session.log.byteCount <= 80_000)
    }

    @Test func withoutSuchAReaderTheBoundHolds() throws {
        let fixture = fixture()
        let watcher = try slowReader(fixture, .snapshot)
        let generation = try fixture.submit("hi").generation
        watcher.credit = 1
        for _ in 0..<4 { generation.say(Self.text) }
        generation.finish(.stop)
        #expect(fixture.session.log.byteCount <= 80_000)
    }

    @Test func deltasCountAlsoForAReaderThatLags() throws {
        let fixture = fixture()
        let reader = try slowReader(fixture)
        let generation = try fixture.submit("hi").generation
        reader.credit = 1
        for _ in 0..<8 { generation.say(Self.text) }
        reader.credit = nil
        fixture.session.resume(reader)
        #expect(reader.placeGoneCount == 1)
        #expect(fixture.session.log.byteCount <= 80_000)
    }
}

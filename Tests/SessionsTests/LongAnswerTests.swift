import JSON
import Sessions
import Testing

/// The end of a long answer is told in several iterations of the loop.
@Suite struct LongAnswerTests {
    private static let text = String(repeating: "x", count: 300_000)

    private func begin(_ fixture: Fixture) throws -> Generation {
        let generation = try fixture.submit("hi").generation
        generation.say(Self.text)
        generation.say(Self.text)
        generation.finish(.stop)
        return generation
    }

    private static let end: [EventType] = [.outputTextDone, .contentPartDone, .outputItemDone]

    @Test func eachIterationTellsOneOfItsLastEvents() throws {
        let fixture = Fixture()
        let generation = try begin(fixture)
        #expect(!generation.status.isTerminal && !generation.isActive)
        #expect(fixture.types(of: generation).last == .outputTextDelta)
        fixture.host.runTimer()
        #expect(fixture.types(of: generation).suffix(2) == [.outputTextDelta, .outputTextDone])
        fixture.host.advance(by: .zero)
        #expect(generation.status == .completed)
        #expect(fixture.types(of: generation).suffix(4) == Self.end + [.responseCompleted])
        #expect(fixture.conversation == ["hi", Self.text + Self.text])
        checkInvariants(fixture)
    }

    @Test func aShortOneEndsAtOnce() throws {
        let fixture = Fixture()
        let generation = try fixture.submit("hi").generation
        generation.say("brief")
        generation.finish(.stop)
        #expect(generation.status == .completed)
    }

    @Test func aCutMeanwhileTellsWhatIsNotToldYet() throws {
        let fixture = Fixture()
        let generation = try begin(fixture)
        fixture.host.runTimer()
        try fixture.session.cancel(responseID: generation.id, by: nil)
        #expect(generation.status == .cancelled)
        #expect(fixture.types(of: generation).suffix(4) == Self.end + [.responseCancelled])
        let count = fixture.types(of: generation).count
        fixture.host.advance(by: .seconds(1))
        #expect(fixture.types(of: generation).count == count)
        checkInvariants(fixture)
    }

    @Test func whatWaitsBeginsAfterIt() throws {
        let fixture = Fixture(mode: .queue)
        let first = try begin(fixture)
        let second = try fixture.submit("and?").generation
        #expect(second.status == .queued)
        fixture.host.advance(by: .zero)
        #expect(first.status == .completed && second.status == .inProgress)
        checkInvariants(fixture)
    }

    @Test func theEndOfTheProcessMeanwhileLosesAndDoublesNothing() throws {
        let (host, log) = (FakeHost(), KeepingLog())
        let session = Session(owner: "me", host: host, defaults: ResponseParameters(model: "m"), mode: .queue, log: log)
        let generation = try session.submit(
            Input(items: [.userMessage("hi")], parameters: session.defaults, policy: .continuing)
        ).generation
        generation.say(Self.text)
        generation.say(Self.text)
        generation.finish(.stop)
        host.runTimer()
        #expect(!generation.status.isTerminal && log.events.last?.type == .outputTextDone)
        let other = FakeHost()
        let again = try log.restart(on: other)
        let restored = try #require(again.generations.last)
        #expect(restored.status == .completed)
        // Nobody is asked to go on with what was whole.
        #expect(other.scripted.requests.isEmpty)
        #expect(again.items.map(\.text) == ["hi", Self.text + Self.text])
        let recorder = Recorder(listens: false)
        try again.attach(recorder, after: 0)
        #expect(recorder.types.suffix(4) == Self.end + [.responseCompleted])
    }
}

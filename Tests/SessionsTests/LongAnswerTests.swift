import JSON
import Sessions
import Testing

/// The end of a long answer is told in several iterations of the loop.
@Suite struct LongAnswerTests {
    private static let text = String(repeating: "x", count: 300_000)

    private func begin(_ fixture: Fixture, ending reason: FinishReason = .stop) throws -> Generation {
        let generation = try fixture.submit("hi").generation
        generation.say(Self.text)
        generation.say(Self.text)
        generation.finish(reason)
        return generation
    }

    private static let end: [EventKind] = [.outputTextDone, .contentPartDone, .outputItemDone]

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

    // MARK: The server stops

    private static let endings: [(FinishReason, Generation.Status)] = [
        (.stop, .completed), (.length, .incomplete(.maxOutputTokens)), (.contentFilter, .incomplete(.contentFilter)),
    ]

    @Test(arguments: endings) func aStopMeanwhileEndsItAsItWouldHave(_ reason: FinishReason, _ status: Generation.Status) throws {
        let fixture = Fixture()
        let generation = try begin(fixture, ending: reason)
        fixture.host.runTimer()
        fixture.session.suspend()
        #expect(generation.status == status)
        #expect(fixture.session.items.last?.status == (status == .completed ? .completed : .incomplete))
        checkInvariants(fixture)
    }

    /// After so many of its last events, the others being lost.
    @Test(arguments: endings, 0...3)
    func theEndOfTheProcessMeanwhileLosesAndDoublesNothing(_ ending: (FinishReason, Generation.Status), told: Int) throws {
        let (host, log) = (FakeHost(), KeepingLog())
        let session = Session(owner: "me", host: host, defaults: ResponseParameters(model: "m"), mode: .queue, log: log)
        let generation = try session.submit(
            Input(items: [.userMessage("hi")], parameters: session.defaults, policy: .continuing)
        ).generation
        generation.say(Self.text)
        generation.say(Self.text)
        generation.reportUsage(Usage(inputTokens: 7, outputTokens: 9))
        generation.finish(ending.0)
        for _ in 0..<told { host.runTimer() }
        #expect(session.active?.status == .inProgress)
        #expect(log.events.filter { Self.end.contains($0.kind) }.count == told)
        let other = FakeHost()
        let again = try log.restart(on: other)
        other.advance(by: .zero)
        let restored = try #require(again.generations.first)
        #expect(restored.status == ending.1)
        #expect(restored.usage == Usage(inputTokens: 7, outputTokens: 9))
        // Nobody is asked to go on with what was whole.
        #expect(other.scripted.requests.isEmpty)
        #expect(again.items.prefix(2).map(\.text) == ["hi", Self.text + Self.text])
        #expect(again.items[1].status == (ending.1 == .completed ? .completed : .incomplete))
        let types = again.log.events.filter { $0.response?.id == restored.id }.map(\.kind)
        #expect(types.suffix(4) == Self.end + [ending.1 == .completed ? .responseCompleted : .responseIncomplete])
        _ = session
    }

    @Test func whatIsWholeEndsAfterARestartThoughNobodyListens() throws {
        for policy in [DisconnectPolicy.cancel, .grace(.seconds(30))] {
            let (host, log) = (FakeHost(), KeepingLog())
            let session = Session(owner: "me", host: host, defaults: ResponseParameters(model: "m"), log: log)
            let generation = try session.submit(
                Input(items: [.userMessage("hi")], parameters: session.defaults, policy: policy)
            ).generation
            generation.say(Self.text)
            generation.say(Self.text)
            generation.finish(.stop)
            host.runTimer()
            let other = FakeHost()
            let again = try log.restart(on: other)
            other.advance(by: .zero)
            #expect(again.generations.last?.status == .completed && other.scripted.requests.isEmpty)
            _ = session
        }
    }

    @Test func theEndOfTheProcessWhileItIsJudgedJudgesItAgain() throws {
        let (host, log) = (FakeHost(), KeepingLog())
        host.holdsCompute = true
        let session = Session(owner: "me", host: host, defaults: ResponseParameters(model: "m"), log: log)
        var parameters = session.defaults
        parameters.members["text"] = ["format": ["type": "json_object"]]
        let generation = try session.submit(
            Input(items: [.userMessage("hi")], parameters: parameters, policy: .continuing)
        ).generation
        generation.say("[" + Self.text)
        generation.finish(.stop)
        #expect(!generation.status.isTerminal && !generation.isActive)
        let other = FakeHost()
        let again = try log.restart(on: other)
        other.advance(by: .zero)
        #expect(again.generations.last?.status == .incomplete(.invalidStructuredOutput) && other.scripted.requests.isEmpty)
    }
}

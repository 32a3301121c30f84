import JSON
import Testing

@testable import Sessions

/// A generation that outlives its model's call: what is said takes longer to hear than to make.
@Suite struct GenerationPhaseTests {
    private let fixture = Fixture()
    private var host: FakeHost { fixture.host }

    /// The model is done, and nobody has heard all of it.
    private func play(_ reason: FinishReason = .stop, format: JSONValue? = nil) throws -> Generation {
        var input = fixture.input("hi")
        if let format { input.parameters.members["text"] = ["format": format] }
        let generation = try fixture.session.submit(input).generation
        generation.say("long to hear")
        generation.sink.finishUnheard(reason)
        return generation
    }

    @Test func itEndsWhenItWasHeard() throws {
        let generation = try play()
        #expect(generation.status == .inProgress && !generation.isActive && fixture.session.active === generation)
        #expect(fixture.types(of: generation).last == .outputTextDelta)
        // The model's call is over: nothing that it may say, and no wish of a reader, reaches anything.
        generation.say("more")
        generation.sink.finish(.length)
        generation.holdUpstream(true)
        #expect(!fixture.model.calls[0].isPaused)
        generation.playbackEnded()
        generation.playbackEnded()
        #expect(generation.status == .completed)
        #expect(fixture.conversation == ["hi", "long to hear"])
        #expect(
            fixture.types(of: generation).suffix(4) == [
                .outputTextDone, .contentPartDone, .outputItemDone, .responseCompleted,
            ])
        checkInvariants(fixture)
    }

    @Test func itEndsAsItsModelDid() throws {
        let generation = try play(.length)
        generation.playbackEnded()
        #expect(generation.status == .incomplete(.maxOutputTokens))
    }

    @Test func itIsJudgedAtItsEnd() throws {
        let generation = try play(format: ["type": "json_object"])
        #expect(generation.verdict == nil)
        generation.playbackEnded()
        #expect(generation.status == .incomplete(.invalidStructuredOutput))
    }

    @Test func itCanBeCutWhileItIsHeard() throws {
        let generation = try play()
        let next = try fixture.submit("no").generation
        #expect(generation.status == .incomplete(.interrupted) && next.isActive)
        // There was no call left to close.
        #expect(fixture.model.calls[0].cancelCount == 0)
        generation.playbackEnded()
        #expect(fixture.session.active === next)
        checkInvariants(fixture)
    }

    @Test func anEndOfTheProcessMeanwhileAsksNoModelAgain() throws {
        let log = KeepingLog()
        let host = FakeHost()
        let session = Session(owner: "me", host: host, defaults: ResponseParameters(model: "m"), log: log)
        let input = Input(items: [.userMessage("hi")], parameters: session.defaults, policy: .continuing)
        let generation = try session.submit(input).generation
        generation.say("all of it")
        generation.sink.finishUnheard(.stop)
        session.suspend()
        #expect(generation.status == .completed)

        let other = FakeHost()
        let restored = try log.restart(on: other)
        #expect(other.scripted.requests.isEmpty && restored.generations.map(\.status) == [.completed])
    }

    /// What a generation may do follows from its phase alone.
    @Test func eachPhaseSaysWhatItIs() {
        let phases: [(GenerationPhase, Generation.Status, active: Bool, underWay: Bool)] = [
            (.queued(.turn), .queued, false, false), (.queued(.listener), .queued, false, false),
            (.asked, .inProgress, true, true), (.answering, .inProgress, true, true),
            (.unheard(isAccepted: true), .inProgress, true, true), (.playing(.judging), .inProgress, false, true),
            (.concluding(.judging), .inProgress, false, true), (.stopping, .inProgress, false, false),
            (.abandoned, .inProgress, false, false), (.ended(.completed), .completed, false, false),
            (.withdrawn, .cancelled, false, false),
        ]
        for (phase, status, active, underWay) in phases {
            #expect(phase.status == status && phase.isActive == active && phase.isUnderWay == underWay, "\(phase)")
        }
        #expect(GenerationPhase.queued(.listener).awaitsListener && GenerationPhase.unheard(isAccepted: false).awaitsListener)
        #expect(!GenerationPhase.unheard(isAccepted: false).isAccepted && GenerationPhase.unheard(isAccepted: true).isAccepted)
    }
}

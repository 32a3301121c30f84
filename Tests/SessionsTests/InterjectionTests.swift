import JSON
import Sessions
import Testing

/// What each mode does in each phase of a generation. `Protocols/sessions.md`, Interjection modes.
@Suite struct InterjectionTests {
    enum Phase: CaseIterable {
        case beforeFirstToken, midReasoning, midText, midToolCall, afterReasoning
    }

    private func bring(_ generation: Generation, to phase: Phase) {
        switch phase {
        case .beforeFirstToken: break
        case .midReasoning: generation.think("hm")
        case .midText:
            generation.say("Once ")
            generation.say("upon")
        case .midToolCall:
            generation.say("Let me look")
            generation.toolCall(index: 0, callID: "call_1", name: "look")
            generation.argue(0, #"{\"at"#)
        case .afterReasoning:
            generation.think("hm")
            generation.say("So")
        }
    }

    private static func spokenText(in phase: Phase) -> String {
        switch phase {
        case .beforeFirstToken, .midReasoning: ""
        case .midText: "Once upon"
        case .midToolCall: "Let me look"
        case .afterReasoning: "So"
        }
    }

    @Test(arguments: Phase.allCases, [InterjectionMode.interrupt, .steer, .rollback])
    func cuttingModesEndTheOldResponseBeforeTheyAcknowledge(_ phase: Phase, _ mode: InterjectionMode) throws {
        let fixture = Fixture()
        let old = try fixture.submit("tell").generation
        bring(old, to: phase)
        let outputBefore = fixture.log.filter { $0.kind == .outputTextDelta }.map(\.text).joined()
        let acceptance = try fixture.submit("stop", mode: mode)

        #expect(fixture.model.calls[0].cancelCount == 1)
        #expect(acceptance.mode == mode)
        #expect(acceptance.interrupted?.responseID == old.id)
        #expect(acceptance.interrupted?.outputText == Self.spokenText(in: phase))
        #expect(acceptance.interrupted?.outputText == outputBefore)
        #expect(acceptance.sequence == fixture.recorder.events.last { $0.kind == .inputAccepted }?.position)
        switch mode {
        case .interrupt: #expect(old.status == .incomplete(.interrupted))
        case .steer: #expect(old.status == .incomplete(.steered))
        default: #expect(old.status == .cancelled)
        }
        // Late words of the old upstream are nobody's.
        let last = fixture.session.log.lastPosition
        old.say("stale")
        old.finish(.stop)
        #expect(fixture.session.log.lastPosition == last)
        #expect(fixture.log.filter { $0.position > acceptance.sequence }.allSatisfy { $0.response !== old.header })

        let kept = fixture.session.items.map(\.id)
        if mode == .rollback {
            #expect(fixture.conversation == ["tell", "stop"])
            let rolledBack = fixture.recorder.json(.rolledBack)[0]
            #expect(rolledBack["response_id"]?.string == old.id)
            #expect(rolledBack["item_ids"]?.array?.compactMap(\.string) == old.output.map(\.id))
            #expect(Set(kept).isDisjoint(with: old.output.map(\.id)))
        } else {
            #expect(old.output.allSatisfy { kept.contains($0.id) })
            #expect(old.output.last?.status != .completed)
            #expect(fixture.session.items.last?.text == "stop")
        }
        #expect(fixture.session.active === acceptance.generation)
        #expect(acceptance.generation.previousResponseID == old.id)
        #expect(fixture.model.requests.last?.items.map(\.id) == fixture.session.items.map(\.id))
        #expect(
            fixture.model.requests.last?.continuesLastMessage
                == (mode == .steer && (phase == .midText || phase == .afterReasoning)))
        checkInvariants(fixture)
    }

    @Test(arguments: Phase.allCases) func queueLetsItGoOn(_ phase: Phase) throws {
        let fixture = Fixture()
        let old = try fixture.submit("tell").generation
        bring(old, to: phase)
        let acceptance = try fixture.submit("then", mode: .queue)
        #expect(acceptance.mode == .queue)
        #expect(acceptance.interrupted == nil)
        #expect(fixture.session.active === old)
        #expect(fixture.model.calls.count == 1)
        old.finish(.stop)
        #expect(fixture.session.active === acceptance.generation)
        #expect(fixture.model.requests[1].items.last?.text == "then")
        checkInvariants(fixture)
    }

    @Test(arguments: Phase.allCases) func rejectChangesNothing(_ phase: Phase) throws {
        let fixture = Fixture()
        let old = try fixture.submit("tell").generation
        bring(old, to: phase)
        let last = fixture.session.log.lastPosition
        #expect(throws: SessionError.responseInProgress(responseID: old.id)) { try fixture.submit("no", mode: .reject) }
        #expect(fixture.session.log.lastPosition == last)
        #expect(fixture.session.generations.count == 1)
        #expect(old.isActive)
    }

    @Test(arguments: InterjectionMode.allCases) func inAnIdleSessionEveryModeIsAPlainInput(_ mode: InterjectionMode) throws {
        let fixture = Fixture()
        let acceptance = try fixture.submit("hi", mode: mode)
        #expect(acceptance.mode == nil)
        #expect(fixture.recorder.json(.inputAccepted)[0]["mode"]?.string == "none")
        #expect(fixture.recorder.json(.inputAccepted)[0]["interrupted"]?.isNull == true)
        #expect(fixture.session.active === acceptance.generation)
    }

    @Test(arguments: InterjectionMode.allCases)
    func atTheInstantOfTheEndEveryModeIsAPlainInput(_ mode: InterjectionMode) throws {
        let fixture = Fixture()
        let old = try fixture.submit("hi").generation
        old.say("done")
        old.finish(.stop)
        let acceptance = try fixture.submit("next", mode: mode)
        #expect(acceptance.mode == nil)
        #expect(old.status == .completed)
        #expect(fixture.conversation == ["hi", "done", "next"])
        #expect(fixture.model.calls[0].cancelCount == 0)
        checkInvariants(fixture)
    }

    @Test func theSessionsDefaultModeAppliesAndTheCommandsGoesFirst() throws {
        let fixture = Fixture(mode: .queue)
        try fixture.submit("a")
        #expect(try fixture.submit("b").mode == .queue)
        #expect(try fixture.submit("c", mode: .interrupt).mode == .interrupt)
    }

    @Test(arguments: [InterjectionMode.interrupt, .steer, .rollback])
    func whoCutsInGoesBeforeThoseWhoWait(_ mode: InterjectionMode) throws {
        let fixture = Fixture()
        let first = try fixture.submit("1").generation
        first.say("one")
        let waiting = try fixture.submit("2", mode: .queue).generation
        let cutting = try fixture.submit("3", mode: mode).generation
        #expect(fixture.session.active === cutting)
        #expect(cutting.previousResponseID == first.id)
        #expect(waiting.status == .queued)
        cutting.finish(.stop)
        #expect(fixture.session.active === waiting)
        #expect(waiting.previousResponseID == cutting.id)
        let created = fixture.log.first { $0.response === waiting.header }?.json
        #expect(created?["response"]?["previous_response_id"]?.string == cutting.id)
        checkInvariants(fixture)
    }

    // MARK: Steering by identifier

    @Test func aSteerOfTheRunningResponseIsAcceptedInItAndThenApplied() throws {
        let fixture = Fixture(mode: .queue)
        let old = try fixture.submit("tell").generation
        old.say("Once")
        var input = fixture.input("shorter")
        input.steer = Input.Steer(id: "steer_1", responseID: old.id)
        let acceptance = try fixture.session.submit(input)
        #expect(acceptance.mode == .steer)
        #expect(old.status == .incomplete(.steered))
        let accepted = fixture.recorder.json(.steerAccepted)[0]["steer"]
        #expect(accepted?["id"]?.string == "steer_1")
        #expect(accepted?["previous_response_id"]?.string == old.id)
        #expect(fixture.types(of: old).last == .responseIncomplete)
        checkInvariants(fixture)
    }

    @Test func aSteerNeverHitsTheWrongTurn() throws {
        let fixture = Fixture()
        let old = try fixture.submit("a").generation
        old.finish(.stop)
        var input = fixture.input("shorter", mode: .steer)
        input.steer = Input.Steer(responseID: old.id)
        #expect(throws: SessionError.responseNotActive(responseID: old.id)) { try fixture.session.submit(input) }
        let next = try fixture.submit("b").generation
        let last = fixture.session.log.lastPosition
        #expect(throws: SessionError.responseNotActive(responseID: old.id)) { try fixture.session.submit(input) }
        #expect(next.isActive)
        #expect(fixture.session.log.lastPosition == last)
    }

    @Test func theAcknowledgementNamesEverything() throws {
        let fixture = Fixture()
        let old = try fixture.submit("a").generation
        old.say("x")
        old.say("y")
        let ann = Participant(name: "Ann")
        try fixture.session.join(ann)
        var input = fixture.input("b")
        input.participant = ann
        input.clientEventID = "evt \"1\""
        let acceptance = try fixture.session.submit(input)
        let event = fixture.recorder.json(.inputAccepted)[1]
        #expect(event["items"]?[0]?["content"]?[0]?["text"]?.string == "b")
        #expect(event["mode"]?.string == "interrupt")
        #expect(event["interrupted"]?["response_id"]?.string == old.id)
        #expect(event["interrupted"]?["item_id"]?.string == old.output[0].id)
        #expect(event["interrupted"]?["output_text"]?.string == "xy")
        #expect(event["interrupted"]?["output_tokens"]?.int == 2)
        #expect(event["response_id"]?.string == acceptance.generation.id)
        #expect(event["participant"]?["name"]?.string == "Ann")
        #expect(event["client_event_id"]?.string == "evt \"1\"")
        #expect(fixture.host.interruptedIDs == [old.id])
    }

    @Test func anUpstreamThatSpeaksWhileItIsClosedIsNotHeard() throws {
        let fixture = Fixture()
        let old = try fixture.submit("a").generation
        old.say("x")
        fixture.model.calls[0].whenCancelled = {
            old.say("y")
            old.finish(.stop)
        }
        let acceptance = try fixture.submit("b")
        #expect(acceptance.interrupted?.outputText == "x")
        #expect(old.status == .incomplete(.interrupted))
        #expect(fixture.conversation == ["a", "x", "b"])
        #expect(fixture.types(of: old).count { $0.isTerminal } == 1)
        checkInvariants(fixture)
    }

    @Test func anIncompleteItemIsTheLastOfAnIncompleteResponse() throws {
        let fixture = Fixture()
        let old = try fixture.submit("a").generation
        old.think("hm")
        old.say("x")
        try fixture.submit("b")
        #expect(old.output.map(\.status) == [.completed, .incomplete])
        let done = fixture.recorder.json(.outputItemDone).map { $0["item"]?["status"]?.string }
        #expect(done == ["completed", "incomplete"])
    }
}

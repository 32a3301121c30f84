import JSON
import Sessions
import Testing

/// What an agent does beside its text: `Protocols/runner.md`.
@Suite struct StepTests {
    private func step(_ id: String, _ status: Step.Status = .inProgress, title: String? = nil) -> Step {
        Step(id: id, kind: "tool", name: "search", status: status, title: title, detail: ["n": 12])
    }

    @Test func aStepStandsBesideTheOutput() throws {
        let fixture = Fixture()
        let generation = try fixture.submit("hi").generation
        generation.step(step("a", title: "searching"))
        generation.say("Hel")
        generation.step(step("a", .completed, title: "found 12 results"))
        generation.say("lo")
        generation.finish(.stop)
        #expect(
            fixture.types(of: generation) == [
                .responseCreated, .responseInProgress, .step, .outputItemAdded, .contentPartAdded, .outputTextDelta, .step,
                .outputTextDelta, .outputTextDone, .contentPartDone, .outputItemDone, .responseCompleted,
            ])
        let told = fixture.recorder.json(.step)
        #expect(
            told[1]["step"] == [
                "id": "a", "kind": "tool", "name": "search", "status": "completed", "title": "found 12 results",
                "detail": ["n": 12], "parent_id": .null,
            ])
        #expect(fixture.conversation == ["hi", "Hello"])
        checkInvariants(fixture)
    }

    @Test func theStateHoldsTheNewestWordOnEachStep() throws {
        let fixture = Fixture()
        let generation = try fixture.submit("hi").generation
        generation.step(step("a"))
        generation.step(step("b"))
        generation.step(step("a", .failed))
        let steps = fixture.state["active_response"]?["interject"]?["steps"]?.array ?? []
        #expect(steps.map { $0["id"]?.string } == ["a", "b"])
        #expect(steps.map { $0["status"]?.string } == ["failed", "in_progress"])
    }

    @Test func noStepComesAfterAnInterjection() throws {
        let fixture = Fixture()
        let generation = try fixture.submit("hi").generation
        generation.step(step("a"))
        try fixture.submit("stop")
        let count = fixture.log.count
        generation.step(step("a", .completed))
        #expect(fixture.log.count == count)
        checkInvariants(fixture)
    }

    @Test func aResponseHasABoundedNumberOfSteps() throws {
        let fixture = Fixture()
        let generation = try fixture.submit("hi").generation
        for number in 0..<Step.Limits.maxCount { #expect(generation.step(step("\(number)"))) }
        #expect(!generation.hasRoom(forSteps: ["one more"]))
        #expect(!generation.step(step("one more")))
        #expect(generation.hasRoom(forSteps: ["7"]))
        #expect(generation.step(step("7", .completed)))
        #expect(generation.steps.count == Step.Limits.maxCount)
    }

    @Test func whatStepsTakeCountsAsOutput() throws {
        var limits = SessionLimits()
        limits.maxOutputBytes = 1000
        let fixture = Fixture(limits: limits)
        let generation = try fixture.submit("hi").generation
        for _ in 0..<10 { generation.step(step("a", title: String(repeating: "x", count: 100))) }
        #expect(generation.status == .incomplete(.maxOutputTokens))
        #expect(fixture.recorder.json(.step).count < 10)
        checkInvariants(fixture)
    }

    @Test func aCallInOnePieceHasAPlaceOfItsOwn() throws {
        let fixture = Fixture()
        let generation = try fixture.submit("hi").generation
        for name in ["f", "g"] {
            Array(#"{\"x\":1}"#.utf8).withUnsafeBytes { generation.sink.functionCall(callID: "", name: name, arguments: $0) }
        }
        generation.finish(.toolCalls)
        let output = fixture.recorder.json(.responseCompleted)[0]["response"]?["output"]?.array ?? []
        #expect(output.map { $0["name"]?.string } == ["f", "g"])
        #expect(output.allSatisfy { $0["arguments"]?.string == #"{"x":1}"# && $0["status"]?.string == "completed" })
    }
}

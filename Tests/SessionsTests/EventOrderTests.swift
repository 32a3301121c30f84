import JSON
import Sessions
import Testing

/// The order that OpenAI's clients rely on: `contracts/openai-http.md` §1.2.
@Suite struct EventOrderTests {
    @Test func aTextResponseHasTheOrderOfTheContract() throws {
        let fixture = Fixture()
        let generation = try fixture.submit("hi").generation
        generation.say("Hel")
        generation.say("lo")
        generation.finish(.stop)
        #expect(
            fixture.types(of: generation) == [
                .responseCreated, .responseInProgress, .outputItemAdded, .contentPartAdded, .outputTextDelta, .outputTextDelta,
                .outputTextDone, .contentPartDone, .outputItemDone, .responseCompleted,
            ])
        #expect(fixture.recorder.types.prefix(2) == [.sessionCreated, .inputAccepted])
        #expect(fixture.recorder.json(.responseCreated)[0]["response"]?["output"]?.array?.isEmpty == true)
        #expect(fixture.recorder.json(.responseCreated)[0]["response"]?["status"]?.string == "in_progress")
        #expect(fixture.recorder.json(.outputTextDone)[0]["text"]?.string == "Hello")
        let response = fixture.recorder.json(.responseCompleted)[0]["response"]
        #expect(response?["output"]?[0]?["content"]?[0]?["text"]?.string == "Hello")
        #expect(response?["output"]?[0]?["status"]?.string == "completed")
        #expect(response?["interject"]?["session_id"]?.string == fixture.session.id)
        #expect(fixture.conversation == ["hi", "Hello"])
        checkInvariants(fixture)
    }

    @Test func aResponseObjectHasAllKeysThatOpenResponsesAsksFor() throws {
        let fixture = Fixture()
        try fixture.submit("hi").generation.finish(.stop)
        let keys = Set(fixture.recorder.json(.responseCompleted)[0]["response"]?.object?.keys ?? [])
        for key in [
            "id", "object", "created_at", "completed_at", "status", "incomplete_details", "model", "previous_response_id",
            "instructions", "output", "error", "tools", "tool_choice", "truncation", "parallel_tool_calls", "text", "top_p",
            "presence_penalty", "frequency_penalty", "top_logprobs", "temperature", "reasoning", "user", "usage",
            "max_output_tokens", "max_tool_calls", "store", "background", "service_tier", "metadata", "safety_identifier",
            "prompt_cache_key",
        ] {
            #expect(keys.contains(key), "\(key) is missing")
        }
    }

    @Test func reasoningEndsWhereTheTextBegins() throws {
        let fixture = Fixture()
        let generation = try fixture.submit("hi").generation
        generation.think("hm")
        generation.say("yes")
        generation.finish(.stop)
        #expect(
            fixture.types(of: generation) == [
                .responseCreated, .responseInProgress, .outputItemAdded, .contentPartAdded, .reasoningTextDelta,
                .reasoningTextDone, .contentPartDone, .outputItemDone, .outputItemAdded, .contentPartAdded, .outputTextDelta,
                .outputTextDone, .contentPartDone, .outputItemDone, .responseCompleted,
            ])
        #expect(fixture.recorder.json(.outputItemAdded).map { $0["output_index"]?.int } == [0, 1])
    }

    @Test func toolCallsThatAreWrittenSideBySideKeepTheirArgumentsApart() throws {
        let fixture = Fixture()
        let generation = try fixture.submit("hi").generation
        generation.say("Let me see")
        generation.toolCall(index: 0, callID: "call_a", name: "a")
        generation.toolCall(index: 1, callID: "", name: "b")
        generation.argue(0, #"{\"x\""#)
        generation.argue(1, "{}")
        generation.argue(0, ":1}")
        generation.toolCall(index: 0, callID: "again", name: "ignored")
        generation.argue(7, "nobody's")
        generation.finish(.toolCalls)
        let done = fixture.recorder.json(.functionCallArgumentsDone)
        #expect(done.map { $0["arguments"]?.string } == [#"{"x":1}"#, "{}"])
        let output = fixture.recorder.json(.responseCompleted)[0]["response"]?["output"]?.array ?? []
        #expect(output.map { $0["type"]?.string } == ["message", "function_call", "function_call"])
        #expect(output[1]["call_id"]?.string == "call_a")
        #expect(output[2]["call_id"]?.string?.hasPrefix("call_") == true)
        checkInvariants(fixture)
    }

    @Test func aNegativeNumberOfAToolCallTouchesNoOtherItem() throws {
        let fixture = Fixture()
        let generation = try fixture.submit("hi").generation
        generation.say("text")
        generation.toolCall(index: -1, callID: "c", name: "evil")
        generation.argue(-1, "more")
        generation.finish(.stop)
        #expect(fixture.conversation == ["hi", "text"])
        #expect(!fixture.types(of: generation).contains(.functionCallArgumentsDelta))
    }

    @Test func aRefusalIsAPartOfItsOwnKind() throws {
        let fixture = Fixture()
        let generation = try fixture.submit("hi").generation
        generation.refuse("No")
        generation.refuse(".")
        generation.finish(.contentFilter)
        #expect(fixture.recorder.json(.refusalDone)[0]["refusal"]?.string == "No.")
        let response = fixture.recorder.json(.responseIncomplete)[0]["response"]
        #expect(response?["incomplete_details"]?["reason"]?.string == "content_filter")
        #expect(response?["output"]?[0]?["status"]?.string == "incomplete")
    }

    @Test func theLimitOfTokensMakesItIncomplete() throws {
        let fixture = Fixture()
        let generation = try fixture.submit("hi").generation
        generation.say("and so o")
        generation.finish(.length)
        #expect(generation.status == .incomplete(.maxOutputTokens))
        checkInvariants(fixture)
    }

    @Test func anErrorIsToldFlatAndThenAsTheResponsesFailure() throws {
        let fixture = Fixture()
        let generation = try fixture.submit("hi").generation
        generation.say("par")
        generation.fail(GenerationError(code: "server_error", message: "it broke", status: 502, type: "server_error"))
        #expect(fixture.types(of: generation).suffix(2) == [.error, .responseFailed])
        let error = fixture.recorder.json(.error)[0]
        #expect(error["code"]?.string == "server_error")
        #expect(error["message"]?.string == "it broke")
        #expect(error["param"]?.isNull == true)
        let response = fixture.recorder.json(.responseFailed)[0]["response"]
        #expect(response?["status"]?.string == "failed")
        #expect(response?["error"]?["code"]?.string == "server_error")
        #expect(response?["output"]?[0]?["status"]?.string == "incomplete")
        #expect(fixture.conversation == ["hi", "par"])
        checkInvariants(fixture)
    }

    @Test func nothingFollowsTheEnd() throws {
        let fixture = Fixture()
        let generation = try fixture.submit("hi").generation
        generation.finish(.stop)
        let last = fixture.session.log.lastPosition
        generation.say("late")
        generation.think("late")
        generation.toolCall(index: 0, callID: "", name: "late")
        generation.finish(.stop)
        generation.fail(GenerationError(code: "x", message: "", status: 500, type: "x"))
        generation.reportUsage(Usage(inputTokens: 9, outputTokens: 9))
        #expect(fixture.session.log.lastPosition == last)
        #expect(generation.usage?.isEstimated == true)
    }

    @Test func aModelMayEndOrFailWithinItsStart() throws {
        let fixture = Fixture()
        fixture.model.whenStarted = {
            $0.say("at once")
            $0.finish(.stop)
        }
        let first = try fixture.submit("a").generation
        #expect(first.status == .completed)
        fixture.model.whenStarted = {
            $0.fail(GenerationError(code: "server_error", message: "no", status: 500, type: "server_error"))
        }
        let second = try fixture.submit("b").generation
        #expect(fixture.types(of: second) == [.responseCreated, .error, .responseFailed])
        #expect(fixture.session.active == nil)
        #expect(fixture.model.calls.allSatisfy { $0.cancelCount == 0 })
        checkInvariants(fixture)
    }

    @Test func aWarmUpTakesTheInputInAndAsksNoModel() throws {
        let fixture = Fixture()
        var input = fixture.input("remember")
        input.isWarmUp = true
        let generation = try fixture.session.submit(input).generation
        #expect(generation.status == .completed)
        #expect(fixture.model.requests.isEmpty)
        #expect(fixture.types(of: generation) == [.responseCreated, .responseInProgress, .responseCompleted])
        try fixture.submit("go")
        #expect(fixture.model.requests[0].items.map(\.text) == ["remember", "go"])
        checkInvariants(fixture)
    }

    // MARK: Text

    @Test func deltasAreTextAndAreEscapedAsFarAsJSONDemands() throws {
        let fixture = Fixture()
        let generation = try fixture.submit("hi").generation
        let pieces = [#"a\"b\\"#, #"\n"#, "äöü😀", #"\ud83d\ude00"#, #"\u00e9"#, "\u{7f}"]
        let texts = ["a\"b\\", "\n", "äöü😀", "😀", "é", "\u{7f}"]
        for piece in pieces { generation.say(piece) }
        generation.say("")
        generation.finish(.stop)
        #expect(fixture.conversation.last == "a\"b\\\näöü😀😀é\u{7f}")
        let deltas = fixture.log.filter { $0.kind == .outputTextDelta }
        #expect(deltas.map(\.text) == texts)
        #expect(deltas.map { $0.json["delta"]?.string } == texts)
        #expect(deltas.map(\.textOffset) == texts.indices.map { texts[..<$0].joined().utf8.count })
        #expect(deltas.allSatisfy { $0.json["logprobs"]?.array?.isEmpty == true })
    }

    @Test func halfASurrogatePairAtTheEndIsNoReasonToLoseTheText() throws {
        let fixture = Fixture()
        let generation = try fixture.submit("hi").generation
        generation.say(#"so \ud83d"#)
        let acceptance = try fixture.submit("stop")
        #expect(acceptance.interrupted?.outputText == "so \u{FFFD}")
        #expect(fixture.conversation == ["hi", "so \u{FFFD}", "stop"])
        checkInvariants(fixture)
    }

    // MARK: Usage

    @Test func theUpstreamsUsageStandsAndOursIsMarked() throws {
        let fixture = Fixture()
        let counted = try fixture.submit("hi").generation
        counted.say("x")
        counted.reportUsage(Usage(inputTokens: 7, outputTokens: 3, cachedTokens: 2, reasoningTokens: 1))
        counted.finish(.stop)
        let usage = fixture.recorder.json(.responseCompleted)[0]["response"]?["usage"]
        #expect(usage?["input_tokens"]?.int == 7)
        #expect(usage?["total_tokens"]?.int == 10)
        #expect(usage?["input_tokens_details"]?["cached_tokens"]?.int == 2)
        #expect(usage?["output_tokens_details"]?["reasoning_tokens"]?.int == 1)
        let cut = try fixture.submit("and").generation
        cut.say("a")
        cut.say("b")
        _ = try fixture.session.cancel(by: nil)
        #expect(cut.usage?.outputTokens == 2)
        #expect(cut.usage?.isEstimated == true)
        let response = fixture.recorder.json(.responseCancelled)[0]["response"]
        #expect(response?["interject"]?["usage_estimated"]?.bool == true)
    }
}

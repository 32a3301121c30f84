import JSON
import Network
import Testing

@testable import Upstreams

@Suite struct UpstreamHabitsTests {
    private static let all: UpstreamHabits.Members = [.streamOptions, .maxTokens, .maxCompletionTokens]

    private static func refusal(_ message: String, status: Int = 400, param: String? = nil) -> UpstreamFault {
        .status(status, UpstreamErrorObject(message: message, param: param), retryAfterSeconds: nil)
    }

    @Test func aRefusedAdditionIsLeftOut() {
        var habits = UpstreamHabits()
        var body: JSONObject = ["model": "m", "stream_options": ["include_usage": true], "max_tokens": 7]
        #expect(habits.apply(to: &body) == [.streamOptions, .maxTokens])
        #expect(
            habits.learn(from: Self.refusal("stream_options: Extra inputs are not permitted"), sent: .streamOptions)
                == .streamOptions)
        #expect(habits.apply(to: &body) == .maxTokens)
        #expect(body == ["model": "m", "max_tokens": 7])
    }

    @Test(
        arguments: [
            (
                "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
                .maxTokens, "max_completion_tokens"
            ),
            ("unknown field max_completion_tokens", .maxCompletionTokens, "max_tokens"),
        ] as [(String, UpstreamHabits.Members, String)])
    func theLimitGoesUnderItsOtherName(_ words: String, _ sent: UpstreamHabits.Members, _ other: String) {
        var habits = UpstreamHabits()
        #expect(habits.learn(from: Self.refusal(words, status: 422), sent: sent) == UpstreamHabits.Members.tokenLimit)
        var body: JSONObject = [:]
        body[sent.names[0]] = 7
        _ = habits.apply(to: &body)
        #expect(body[other] == 7 && body.count == 1)
    }

    @Test func theParameterOfTheErrorNamesItToo() {
        var habits = UpstreamHabits()
        let fault = UpstreamFault.inBand(UpstreamErrorObject(type: "invalid_request_error", message: "no", param: "stream_options"))
        #expect(habits.learn(from: fault, sent: Self.all) == .streamOptions)
    }

    @Test(arguments: [
        refusal("max_tokens is too large: 99999"), refusal("stream_options", status: 500), refusal("messages must not be empty"),
        .truncated, .transport(.cut),
    ])
    func anotherFaultTeachesNothing(_ fault: UpstreamFault) {
        var habits = UpstreamHabits()
        #expect(habits.learn(from: fault, sent: Self.all).isEmpty && habits == UpstreamHabits())
    }

    @Test(arguments: [
        refusal("This model does not support assistant message prefill. The conversation must end with a user message."),
        refusal("Assistant response prefill is incompatible with enable_thinking.", status: 500),
        refusal("Cannot have 2 or more assistant messages at the end of the list."),
        refusal("Extra inputs are not permitted", status: 422, param: "continue_final_message"),
        refusal("After the optional system message, conversation roles must alternate user/assistant/user/assistant/..."),
        refusal("messages: final assistant content cannot end with trailing whitespace"),
        .inBand(
            UpstreamErrorObject(type: "BadRequestError", message: "Expected last role User or Tool for serving but got assistant")),
    ])
    func aRefusedPrefillIsLeftOut(_ fault: UpstreamFault) {
        var habits = UpstreamHabits()
        #expect(habits.learn(from: fault, sent: [.prefill, .streamOptions]) == .prefill)
        #expect(habits.refused == .prefill)
        var other = UpstreamHabits()
        #expect(other.learn(from: fault, sent: .streamOptions).isEmpty)
    }

    @Test func whatIsNotAboutThePrefillDoesNotForbidIt() {
        var habits = UpstreamHabits()
        #expect(habits.learn(from: Self.refusal("substring not found"), sent: .prefill).isEmpty)
        #expect(habits.learn(from: Self.refusal("the last message was lost", status: 500), sent: .prefill).isEmpty)
        #expect(Self.refusal("substring not found").mayRefusePrefill && !Self.refusal("no", status: 401).mayRefusePrefill)
        #expect(!UpstreamFault.truncated.mayRefusePrefill)
        // Every prompt is prefilled, by workers of their own in some servers.
        for words in ["prefill worker overloaded", "No prefill instances available", "prefill failed", "does not support prefill"] {
            #expect(habits.learn(from: Self.refusal(words, status: 503), sent: .prefill).isEmpty)
            #expect(!Self.refusal(words, status: 503).mayRefusePrefill)
        }
        #expect(habits.learn(from: Self.refusal("prefill failed"), sent: .prefill).isEmpty)
        #expect(Self.refusal("prefill failed").mayRefusePrefill, "for this call alone")
        #expect(habits == UpstreamHabits())
    }

    @Test func whatWasNotSentIsNotGivenUp() {
        var habits = UpstreamHabits()
        #expect(habits.learn(from: Self.refusal("unknown: stream_options"), sent: .maxTokens).isEmpty)
    }

    @Test func namesOfModelsFillNothingUp() {
        var learnt = LearntHabits()
        var habits = UpstreamHabits()
        _ = habits.learn(from: Self.refusal("stream_options"), sent: Self.all)
        for number in 0..<10_000 { learnt[LearntHabits.Key(upstream: 0, model: "m\(number)")] = habits }
        #expect(learnt.count <= LearntHabits.maxCount)
        #expect(learnt[LearntHabits.Key(upstream: 0, model: "m9999")] == habits)
    }
}

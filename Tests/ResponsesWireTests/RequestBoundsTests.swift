import JSON
import ResponsesWire
import Testing

@Suite struct RequestBoundsTests {
    private func refusal(_ body: JSONObject) -> RequestError? {
        do throws(RequestError) {
            try RequestBounds.check(body)
            return nil
        } catch {
            return error
        }
    }

    private static func text(_ count: Int) -> JSONValue { .string(String(repeating: "a", count: count)) }

    @Test(arguments: ["model", "previous_response_id", "user", "prompt_cache_key", "session_id", "client_event_id"])
    func namesHave256Bytes(_ member: String) {
        #expect(refusal([member: Self.text(256)]) == nil)
        #expect(refusal([member: Self.text(257)])?.param == member)
    }

    @Test func instructionsHaveAMebibyte() {
        #expect(refusal(["instructions": Self.text(1 << 20)]) == nil)
        #expect(refusal(["instructions": Self.text(1 << 20 + 1)])?.param == "instructions")
    }

    @Test func toolsAre128OfAMebibyteTogether() {
        let tool: JSONValue = ["type": "function", "name": "f"]
        #expect(refusal(["tools": .array(Array(repeating: tool, count: 128))]) == nil)
        #expect(refusal(["tools": .array(Array(repeating: tool, count: 129))])?.param == "tools")
        let large: JSONValue = ["type": "function", "name": "f", "description": Self.text(600 << 10)]
        #expect(refusal(["tools": [large]]) == nil)
        #expect(refusal(["tools": [large, large]])?.param == "tools[1]")
    }

    @Test func metadataIs16PairsOf64And512Bytes() {
        let key = String(repeating: "k", count: 64)
        #expect(refusal(["metadata": .object([key: Self.text(512)])]) == nil)
        #expect(refusal(["metadata": .object([key + "k": "v"])])?.param == "metadata")
        #expect(refusal(["metadata": ["k": Self.text(513)]])?.param == "metadata")
        #expect(refusal(["metadata": .object(JSONObject((0..<17).map { ("\($0)", "v") }))])?.param == "metadata")
    }

    @Test func whatIsNotKnownIsBoundedTogether() {
        #expect(refusal(["a": Self.text(600 << 10)]) == nil)
        #expect(refusal(["a": Self.text(600 << 10), "b": Self.text(600 << 10)])?.param == "b")
        #expect(refusal(["a": .array(Array(repeating: 1, count: 20_001))])?.code == "too_long")
        #expect(refusal(["input": Self.text(8 << 20), "messages": Self.text(8 << 20)]) == nil, "the input has bounds of its own")
    }
}

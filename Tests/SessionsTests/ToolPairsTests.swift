import JSON
import Sessions
import Testing

/// Which result answers which call.
@Suite struct ToolPairsTests {
    private func call(_ id: String, _ status: Item.Status = .completed, type: String = "function_call") -> Item {
        .call(id, status, type: type)
    }

    private func result(_ id: String, type: String = "function_call_output") -> Item { .result(id, type: type) }

    private func chat(_ message: JSONValue, type: String = "message", callID: String? = nil) -> Item {
        var body: JSONObject = ["type": .string(type), "role": message["role"] ?? "user"]
        if let callID { body["call_id"] = .string(callID) }
        return Item(id: Identifier.make("msg_"), body: body, chatMessage: message)
    }

    private func outputs(_ items: [Item]) -> [Int?] { ToolPairs(items).calls.map(\.output) }

    @Test func anIdentifierMayComeAgainInALaterTurn() {
        #expect(outputs([call("0"), result("0"), call("0"), result("0")]) == [1, 3])
        #expect(outputs([call("0"), result("0"), .userMessage("a"), call("0"), call("1"), result("1"), result("0")]) == [1, 6, 5])
    }

    @Test func callsOfOneAnswerWithOneIdentifierAreAnsweredInTheirOrder() {
        #expect(outputs([call("0"), call("0"), result("0"), result("0")]) == [2, 3])
        #expect(outputs([call("0"), call("0"), result("0")]) == [2, nil])
    }

    @Test func theNearestAnswerComesFirst() {
        #expect(outputs([call("0"), .userMessage("never mind"), call("0"), result("0")]) == [nil, 3])
        #expect(outputs([call("0"), .userMessage("never mind"), result("0")]) == [2])
    }

    @Test func whatNothingAsksForIsAnOrphan() {
        #expect(ToolPairs([result("0"), call("0")]).orphans == [0])
        #expect(ToolPairs([call("0"), result("0"), result("0")]).orphans == [2])
        #expect(ToolPairs([call("0", .incomplete), result("0")]).orphans == [1])
        #expect(ToolPairs([call("0"), result("1")]).orphans == [1])
    }

    @Test func callsOfOtherFormsPairAsWell() {
        let custom = [call("c", type: "custom_tool_call"), result("c", type: "custom_tool_call_output")]
        #expect(outputs(custom) == [1])
        let calls: JSONValue = ["role": "assistant", "tool_calls": [["id": "0"], ["id": "0"], ["id": "1"]]]
        let results = ["0", "1", "0"].map { chat(["role": "tool"], type: "function_call_output", callID: $0) }
        #expect(outputs([chat(calls)] + results) == [1, 3, 2])
        let old = chat(["role": "assistant", "function_call": ["name": "w", "arguments": "{}"]])
        let answer = chat(["role": "function", "name": "w"], type: "function_call_output", callID: Item.functionCallID("w"))
        #expect(outputs([old, answer, old, answer]) == [1, 3])
    }
}

extension Item {
    static func call(_ id: String, _ status: Status = .completed, type: String = "function_call") -> Item {
        Item(id: Identifier.make("fc_"), status: status, body: ["type": .string(type), "call_id": .string(id), "name": "w"])
    }

    static func result(_ id: String, type: String = "function_call_output") -> Item {
        Item(id: Identifier.make("fco_"), body: ["type": .string(type), "call_id": .string(id), "output": "x"])
    }
}

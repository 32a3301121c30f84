import JSON
import Sessions
import Testing

/// Which result answers which call.
@Suite struct ToolPairsTests {
    private func call(_ id: String, _ status: Item.Status = .completed, type: String = "function_call") -> Item {
        Item(id: Identifier.make("fc_"), status: status, body: ["type": .string(type), "call_id": .string(id), "name": "w"])
    }

    private func result(_ id: String, type: String = "function_call_output") -> Item {
        Item(id: Identifier.make("fco_"), body: ["type": .string(type), "call_id": .string(id), "output": "x"])
    }

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

    // MARK: In a session

    private let fixture = Fixture()

    private func submit(_ items: [Item], mode: InterjectionMode = .queue) throws -> Generation {
        try fixture.session.submit(
            Input(items: items, mode: mode, parameters: ResponseParameters(model: "m"), policy: .continuing)
        ).generation
    }

    @Test func aResultWithoutItsCallIsRefusedAndNamed() throws {
        #expect(throws: SessionError.resultWithoutCall(callID: "9", index: 1)) {
            try submit([.userMessage("a"), result("9")])
        }
        #expect(throws: SessionError.resultWithoutCall(callID: "9", index: 0)) { try fixture.session.add([result("9")]) }
        #expect(fixture.session.items.isEmpty)
    }

    @Test func aResultIsTakenForACallOfTheConversationOfTheInputOrOfWhatIsBeingSaid() throws {
        let first = try submit([call("0"), result("0")])
        first.toolCall(index: 0, callID: "0", name: "w")
        first.sink.toolCallArguments(index: 0, escaped: UnsafeRawBufferPointer(start: nil, count: 0))
        first.finish(.toolCalls)
        try submit([result("0")]).finish(.stop)
        // Answered once, and not twice.
        #expect(throws: SessionError.resultWithoutCall(callID: "0", index: 0)) { try submit([result("0")]) }
        checkInvariants(fixture)
    }

    /// The response stands behind what is added meanwhile, and so do the inputs that wait.
    @Test func aResultIsAddedOnlyBehindItsCall() throws {
        let running = try submit([.userMessage("a")])
        call("0", in: running)
        let waiting = try submit([call("1")])
        for id in ["0", "1"] {
            #expect(throws: SessionError.resultWithoutCall(callID: id, index: 1)) {
                try fixture.session.add([.userMessage("b"), result(id)])
            }
        }
        fixture.host.advance(by: .zero)
        waiting.finish(.stop)
        try fixture.session.add([result("0"), result("1")])
        #expect(ToolPairs(fixture.session.items).orphans.isEmpty)
        #expect(ToolPairs(fixture.session.items).calls.allSatisfy { $0.output != nil })
    }

    @Test func aWaitingResultIsCancelledWhenARollbackTakesItsCall() throws {
        let running = try submit([.userMessage("a")])
        call("0", in: running)
        let orphan = try submit([result("0")])
        let whole = try submit([call("1")])
        let answering = try submit([result("1")])
        let next = try submit([.userMessage("b")], mode: .rollback)
        #expect(orphan.status == .cancelled && fixture.session.active === next)
        #expect(fixture.session.queued.map(\.id) == [whole.id, answering.id])
        #expect(fixture.recorder.json(.cancelled).map { $0["response_id"] } == [.string(orphan.id)])
        #expect(fixture.recorder.json(.cancelled).first?["reason"] == "cancel")
        for generation in [next, whole, answering] { generation.finish(.stop) }
        #expect(ToolPairs(fixture.session.items).orphans.isEmpty)
        checkInvariants(fixture)
    }

    @Test(arguments: [InterjectionMode.interrupt, .steer]) func aWaitingResultStaysWhereItsCallStays(_ mode: InterjectionMode)
        throws
    {
        let running = try submit([.userMessage("a")])
        call("0", in: running)
        let waiting = try submit([result("0")])
        try submit([.userMessage("b")], mode: mode).finish(.stop)
        #expect(fixture.session.active === waiting)
        #expect(ToolPairs(fixture.session.items).orphans.isEmpty)
    }

    /// A call that is complete while its response has not ended: the end of a long answer is told piece by piece.
    private func call(_ id: String, in running: Generation) {
        running.toolCall(index: 0, callID: id, name: "w")
        for _ in 0..<2 { running.argue(0, String(repeating: "1", count: 300_000)) }
        running.say("and")
        running.finish(.toolCalls)
        fixture.host.runTimer()
    }
}

import JSON
import Sessions
import Testing

/// Results of tool calls in a session: where each is taken, refused, or cancelled while it waits.
@Suite struct ToolResultsTests {
    private let fixture = Fixture()

    @discardableResult
    private func submit(_ items: [Item], mode: InterjectionMode = .queue) throws -> Generation {
        try fixture.session.submit(
            Input(items: items, mode: mode, parameters: ResponseParameters(model: "m"), policy: .continuing)
        ).generation
    }

    @Test func aResultWithoutItsCallIsRefusedAndNamed() throws {
        #expect(throws: SessionError.resultWithoutCall(callID: "9", index: 1)) {
            try submit([.userMessage("a"), .result("9")])
        }
        #expect(throws: SessionError.resultWithoutCall(callID: "9", index: 0)) { try fixture.session.add([.result("9")]) }
        #expect(fixture.session.items.isEmpty)
    }

    @Test func aResultIsTakenForACallOfTheConversationOfTheInputOrOfWhatIsBeingSaid() throws {
        let first = try submit([.call("0"), .result("0")])
        first.toolCall(index: 0, callID: "0", name: "w")
        first.sink.toolCallArguments(index: 0, escaped: UnsafeRawBufferPointer(start: nil, count: 0))
        first.finish(.toolCalls)
        try submit([.result("0")]).finish(.stop)
        // Answered once, and not twice.
        #expect(throws: SessionError.resultWithoutCall(callID: "0", index: 0)) { try submit([.result("0")]) }
        checkInvariants(fixture)
    }

    /// The response stands behind what is added meanwhile, and so do the inputs that wait.
    @Test func aResultIsAddedOnlyBehindItsCall() throws {
        let running = try submit([.userMessage("a")])
        finishedCall("0", in: running)
        let waiting = try submit([.call("1")])
        for id in ["0", "1"] {
            #expect(throws: SessionError.resultWithoutCall(callID: id, index: 1)) {
                try fixture.session.add([.userMessage("b"), .result(id)])
            }
        }
        fixture.host.advance(by: .zero)
        waiting.finish(.stop)
        try fixture.session.add([.result("0"), .result("1")])
        #expect(ToolPairs(fixture.session.items).orphans.isEmpty)
        #expect(ToolPairs(fixture.session.items).calls.allSatisfy { $0.output != nil })
    }

    @Test func aWaitingResultIsCancelledWhenARollbackTakesItsCall() throws {
        let running = try submit([.userMessage("a")])
        finishedCall("0", in: running)
        let orphan = try submit([.result("0")])
        let whole = try submit([.call("1")])
        let answering = try submit([.result("1")])
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
        finishedCall("0", in: running)
        let waiting = try submit([.result("0")])
        try submit([.userMessage("b")], mode: mode).finish(.stop)
        #expect(fixture.session.active === waiting)
        #expect(ToolPairs(fixture.session.items).orphans.isEmpty)
    }

    /// A call that is complete while its response has not ended: the end of a long answer is told piece by piece.
    private func finishedCall(_ id: String, in running: Generation) {
        running.toolCall(index: 0, callID: id, name: "w")
        for _ in 0..<2 { running.argue(0, String(repeating: "1", count: 300_000)) }
        running.say("and")
        running.finish(.toolCalls)
        fixture.host.runTimer()
    }

    /// A call whose arguments have come, while the response goes on: its item is closed when the response ends.
    private func openCall(_ id: String, in running: Generation) {
        running.toolCall(index: 0, callID: id, name: "w")
        running.argue(0, "{}")
        running.say("and")
    }

    private func checkCancelled(_ generations: Generation...) {
        #expect(generations.allSatisfy { $0.status == .cancelled })
        #expect(fixture.recorder.json(.cancelled).map { $0["response_id"] } == generations.map { .string($0.id) })
        #expect(ToolPairs(fixture.session.items).orphans.isEmpty)
        checkInvariants(fixture)
    }

    // MARK: Inputs that cut in

    /// It precedes the inputs that wait.
    @Test(arguments: [InterjectionMode.interrupt, .steer, .rollback])
    func aResultThatCutsInDoesNotAnswerACallThatWaits(_ mode: InterjectionMode) throws {
        let running = try submit([.userMessage("a")])
        try submit([.call("1")])
        #expect(throws: SessionError.resultWithoutCall(callID: "1", index: 1)) {
            try submit([.userMessage("b"), .result("1")], mode: mode)
        }
        #expect(running.isActive)
        try submit([.result("1")])
        checkInvariants(fixture)
    }

    @Test(arguments: [InterjectionMode.interrupt, .steer, .rollback])
    func aResultThatCutsInAnswersTheCallBeforeTheResultThatWaits(_ mode: InterjectionMode) throws {
        try submit([.call("0"), .userMessage("a")])
        let waiting = try submit([.result("0")])
        let next = try submit([.result("0")], mode: mode)
        #expect(fixture.session.active === next)
        checkCancelled(waiting)
    }

    @Test(arguments: [InterjectionMode.interrupt, .steer, .rollback])
    func aResultThatCutsInDoesNotAnswerTheCallThatItCuts(_ mode: InterjectionMode) throws {
        let running = try submit([.userMessage("a")])
        openCall("0", in: running)
        #expect(throws: SessionError.resultWithoutCall(callID: "0", index: 0)) { try submit([.result("0")], mode: mode) }
        #expect(running.isActive)
    }

    // MARK: Calls of the running response

    @Test func theResultOfACallOfTheRunningResponseWaitsForItsEnd() throws {
        let running = try submit([.userMessage("a")])
        openCall("0", in: running)
        let waiting = try submit([.result("0")])
        #expect(running.isActive && waiting.status == .queued)
        #expect(throws: SessionError.resultWithoutCall(callID: "0", index: 0)) { try submit([.result("0")]) }
        running.finish(.toolCalls)
        #expect(fixture.session.active === waiting)
        #expect(ToolPairs(fixture.model.requests[1].items).calls.map(\.output) == [3])
        checkInvariants(fixture)
    }

    enum Cut: CaseIterable { case interrupt, steer, cancel, failure, length }

    @Test(arguments: Cut.allCases) func aResultThatWaitsIsCancelledWhenItsCallIsCut(_ cut: Cut) throws {
        let running = try submit([.userMessage("a")])
        openCall("0", in: running)
        let orphan = try submit([.result("0")])
        let next = try submit([.userMessage("b")])
        switch cut {
        case .interrupt, .steer:
            try submit([.userMessage("c")], mode: cut == .steer ? .steer : .interrupt).finish(.stop)
        case .cancel: try fixture.session.cancel(by: nil)
        case .failure: running.fail(GenerationError(code: "x", message: "", status: 500, type: "x"))
        case .length: running.finish(.length)
        }
        #expect(orphan.status == .cancelled && fixture.session.active === next)
        #expect(fixture.recorder.json(.cancelled).contains { $0["response_id"] == .string(orphan.id) && $0["reason"] == "cancel" })
        #expect(ToolPairs(fixture.session.items).orphans.isEmpty)
        checkInvariants(fixture)
    }

    // MARK: Calls that go

    @Test func aWaitingResultIsCancelledWithTheInputThatBringsItsCall() throws {
        try submit([.userMessage("a")])
        let whole = try submit([.call("1")])
        let orphan = try submit([.result("1")])
        try fixture.session.cancel(responseID: whole.id, by: nil)
        checkCancelled(whole, orphan)
    }

    enum Change: CaseIterable { case deleted, replaced, answered }

    @Test(arguments: Change.allCases) func aWaitingResultIsCancelledWhenItsCallIsNoLongerOpen(_ change: Change) throws {
        let call = Item.call("0")
        let running = try submit([call, .userMessage("a")])
        let orphan = try submit([.result("0")])
        let next = try submit([.userMessage("b")])
        switch change {
        case .deleted: #expect(fixture.session.deleteItem(call.id))
        case .replaced: try fixture.session.replace(with: Item(id: call.id, body: Item.userMessage("c").body))
        case .answered: try fixture.session.add([.result("0")])
        }
        #expect(running.isActive && fixture.session.queued.map(\.id) == [next.id])
        checkCancelled(orphan)
    }

    @Test func aWaitingResultIsCancelledWhenTheAnswerWithItsCallIsWithdrawn() throws {
        let called = try submit([.userMessage("a")])
        openCall("0", in: called)
        called.finish(.toolCalls)
        let running = try submit([.userMessage("b")])
        let orphan = try submit([.result("0")])
        fixture.session.withdraw(responseID: called.id)
        #expect(running.isActive)
        checkCancelled(orphan)
    }

    /// What waited behind it reads nothing of it.
    @Test func aWithdrawnResponseIsGoneBeforeTheNextBegins() throws {
        let running = try submit([.userMessage("a")])
        finishedCall("0", in: running)
        let orphan = try submit([.result("0")])
        let next = try submit([.userMessage("b")])
        fixture.session.withdraw(responseID: running.id)
        #expect(fixture.session.active === next)
        #expect(fixture.model.requests.last?.items.map(\.text) == ["b"])
        checkCancelled(running, orphan)
    }
}

import JSON
import Sessions
import Testing

/// What becomes of responses when the process ends in their midst and begins anew.
@Suite struct RestartTests {
    private let host = FakeHost()
    private let log = KeepingLog()
    private var model: ScriptedModel { host.scripted }

    /// Sessions that the test has left behind: a process that ends frees nothing.
    private final class Processes { var sessions: [Session] = [] }
    private let processes = Processes()

    private func makeSession(mode: InterjectionMode = .queue) -> Session {
        let session = Session(owner: "me", host: host, defaults: ResponseParameters(model: "m"), mode: mode, log: log)
        processes.sessions.append(session)
        return session
    }

    @discardableResult
    private func restart(on other: FakeHost? = nil) throws -> Session {
        let newest = processes.sessions.last?.log as? KeepingLog ?? log
        let session = try newest.restart(on: other ?? host)
        processes.sessions.append(session)
        return session
    }

    @discardableResult
    private func speak(
        _ text: String, to session: Session, _ policy: DisconnectPolicy = .continuing, limit: Int? = nil,
        mode: InterjectionMode? = nil
    ) throws -> String {
        var parameters = session.defaults
        if let limit {
            parameters.members["max_output_tokens"] = JSONValue(limit)
            parameters.chatMembers = ["max_tokens": JSONValue(limit)]
        }
        var input = Input(items: [.userMessage(text)], mode: mode, parameters: parameters, policy: policy)
        input.keyID = "key_1"
        return try session.submit(input).generation.id
    }

    /// What the model says, a piece a token.
    private func say(_ count: Int) { for index in 0..<count { model.generations.last?.say(" w\(index)") } }

    private func limits(of request: ModelRequest?) -> [Int?] {
        [request?.parameters.members["max_output_tokens"]?.int, request?.parameters.chatMembers?["max_tokens"]?.int]
    }

    // MARK: The budget

    @Test func theBudgetCountsOverAllAttempts() throws {
        try speak("0123456789ab", to: makeSession(), limit: 10)
        #expect(limits(of: model.requests.last) == [10, 10])
        say(4)
        try restart()
        #expect(limits(of: model.requests.last) == [6, 6])
        say(3)
        let session = try restart()
        #expect(limits(of: model.requests.last) == [3, 3])
        say(3)
        let generation = try #require(model.generations.last)
        generation.reportUsage(Usage(inputTokens: 100, outputTokens: 3, cachedTokens: 9))
        generation.finish(.length)
        let usage = try #require(session.generations.last?.usage)
        #expect(usage.outputTokens == 10 && usage.cachedTokens == 9 && usage.isEstimated)
        // Three tokens were read the first time; the second upstream read them with what was said until then.
        #expect(usage.inputTokens == 3 + (12 + 4 * 3) / 4 + 100)
        #expect(session.generations.last?.keyID == "key_1")
        #expect(session.generations.last?.parameters.members["max_output_tokens"]?.int == 10)
    }

    @Test func anAnswerThatHasSpentItsBudgetEndsWithoutAskingAgain() throws {
        let id = try speak("hi", to: makeSession(), limit: 4)
        say(4)
        let session = try restart()
        #expect(model.requests.count == 1)
        let generation = try #require(session.generations.first { $0.id == id })
        #expect(generation.status == .incomplete(.maxOutputTokens) && generation.usage?.outputTokens == 4)
        #expect(session.active == nil)
    }

    @Test func whatNoUpstreamHasTakenCostsNothing() throws {
        try speak("a question of some length", to: makeSession(), .cancel)
        let session = try restart()
        #expect(session.generations.last?.status == .incomplete(.serverRestarted))
        #expect(session.generations.last?.usage == Usage(inputTokens: 0, outputTokens: 0, isEstimated: true))
    }

    @Test func whatIsCutForGoodIsCountedOnce() throws {
        try speak("01234567", to: makeSession(), .cancel)
        say(5)
        let session = try restart()
        #expect(session.generations.last?.usage == Usage(inputTokens: 2, outputTokens: 5, isEstimated: true))
    }

    @Test func countsOfUpstreamsSaturate() throws {
        try speak("hi", to: makeSession())
        say(2)
        let session = try restart()
        model.generations.last?.reportUsage(Usage(inputTokens: .max, outputTokens: .max))
        model.generations.last?.finish(.stop)
        // By whatever a count is bounded: it does not wrap, nor end the process.
        #expect(session.generations.last?.usage.map { $0.outputTokens >= 1 << 40 } == true)
    }

    @Test func aSteerThatGoesOnHasABudgetOfItsOwn() throws {
        let session = makeSession(mode: .steer)
        try speak("hi", to: session, limit: 10)
        say(7)
        try speak("shorter", to: session, limit: 10)
        #expect(limits(of: model.requests.last) == [10, 10])
        #expect(session.generations.first?.usage?.outputTokens == 7)
    }

    // MARK: The grace

    @Test func withinItsGraceItGoesOnWithItsListener() throws {
        let id = try speak("hi", to: makeSession(), .grace(.seconds(30)))
        say(3)
        let session = try restart()
        #expect(model.requests.count == 1 && session.active?.id == id && !session.isGenerating)
        host.advance(by: .seconds(29))
        #expect(session.active?.status == .inProgress)
        let recorder = Recorder()
        try session.attach(recorder, after: session.log.lastPosition)
        #expect(model.requests.count == 2 && session.isGenerating)
        say(2)
        model.generations.last?.finish(.stop)
        #expect(recorder.types.last == .responseCompleted)
        #expect(session.generations.last?.output.first?.text == " w0 w1 w2 w0 w1")
        host.advance(by: .seconds(60))
        #expect(host.endings == ["completed"] && host.pendingTimerCount == 0)
    }

    @Test func whoeverPollsHasComeBackToo() throws {
        try speak("hi", to: makeSession(), .grace(.seconds(30)))
        let session = try restart()
        try session.attach(Recorder(listens: false), after: 0)
        #expect(model.requests.count == 1)
        session.listenerReturned()
        #expect(model.requests.count == 2)
    }

    @Test func afterItsGraceItIsClosedAndTheNextBegins() throws {
        let first = makeSession()
        let ids = [
            try speak("one", to: first, .grace(.seconds(5))), try speak("two", to: first, .grace(.seconds(5))),
            try speak("three", to: first, .grace(.seconds(9))), try speak("four", to: first),
            try speak("five", to: first, .cancel),
        ]
        say(2)
        let session = try restart()
        #expect(session.queued.map(\.id) == Array(ids[1...3]))
        func status(_ index: Int) -> Generation.Status? { session.generations.first { $0.id == ids[index] }?.status }
        #expect(status(4) == .cancelled)
        host.advance(by: .seconds(5))
        #expect(status(0) == .incomplete(.serverRestarted) && status(1) == .cancelled)
        // Its own grace is not over: it has its turn and waits.
        #expect(session.active?.id == ids[2] && model.requests.count == 1)
        host.advance(by: .seconds(4))
        #expect(status(2) == .incomplete(.serverRestarted))
        #expect(session.active?.id == ids[3] && model.requests.count == 2)
    }

    @Test func inputsThatWaitKeepTheirTurnBehindIt() throws {
        let first = makeSession()
        let ids = [try speak("one", to: first, .grace(.seconds(5))), try speak("two", to: first, .grace(.seconds(5)))]
        let session = try restart()
        let late = try speak("three", to: session)
        try session.attach(Recorder(), after: 0)
        for id in ids + [late] {
            #expect(session.active?.id == id)
            model.generations.last?.finish(.stop)
        }
        #expect(model.requests.count == 4)
        #expect(model.requests.last?.items.map(\.text) == ["one", "two", "three"])
    }

    @Test func whatWaitsForAListenerIsAskedOnceAlsoWhenWhatGoesOnFailsAtOnce() throws {
        let first = makeSession()
        try speak("one", to: first)
        let second = try speak("two", to: first, .grace(.seconds(5)))
        model.whenStarted = { $0.fail(GenerationError(code: "model_not_found", message: "", status: 404, type: "not_found_error")) }
        let session = try restart()
        model.whenStarted = nil
        #expect(session.active?.id == second)
        let asked = model.requests.count
        try session.attach(Recorder(), after: 0)
        #expect(session.active?.id == second)
        #expect(model.requests.count == asked + 1)
    }

    @Test func aRefusedReaderHasNotComeBack() throws {
        try speak("one", to: makeSession(mode: .reject), .grace(.seconds(5)))
        let session = try restart()
        let asked = model.requests.count
        let submit = SessionCommand.Submit(
            NewItems([.userMessage("two")]), responseID: "resp_2", parameters: .whole(session.defaults))
        #expect(session.handle(SessionCommand(.submit(submit)), following: Recorder()).isRefusal)
        #expect(model.requests.count == asked)
        host.advance(by: .seconds(5))
        #expect(session.active == nil)
    }

    @Test func whoSpeaksMeanwhileCutsIn() throws {
        let id = try speak("one", to: makeSession(), .grace(.seconds(5)))
        say(2)
        let session = try restart()
        let acceptance = try session.submit(
            Input(items: [.userMessage("two")], mode: .interrupt, parameters: session.defaults, policy: .continuing))
        #expect(acceptance.interrupted?.responseID == id && acceptance.interrupted?.outputText == " w0 w1")
        #expect(session.generations.first?.status == .incomplete(.interrupted) && model.requests.count == 2)
        host.advance(by: .seconds(9))
        #expect(session.active?.id == acceptance.generation.id)
    }

    @Test func aSecondEndWithinTheGraceBeginsItAnew() throws {
        let id = try speak("one", to: makeSession(), .grace(.seconds(5)))
        say(2)
        try restart()
        host.advance(by: .seconds(4))
        let other = FakeHost()
        let session = try restart(on: other)
        other.advance(by: .seconds(4))
        #expect(session.active?.id == id)
        try session.attach(Recorder(), after: 0)
        other.scripted.generations.last?.finish(.stop)
        #expect(session.generations.last?.status == .completed)
        #expect(session.generations.last?.usage?.outputTokens == 2)
    }

    @Test func aHostThatStopsLeavesItForTheNextStart() throws {
        try speak("one", to: makeSession(), .grace(.seconds(5)))
        let session = try restart()
        session.suspend()
        #expect(host.endings.isEmpty && session.isAtRest)
        let other = FakeHost()
        let again = try restart(on: other)
        #expect(again.active != nil)
    }

    @Test func aListenerThatLeavesAgainIsAnOrdinaryDisconnect() throws {
        try speak("one", to: makeSession(), .grace(.seconds(5)))
        let session = try restart()
        let recorder = Recorder()
        try session.attach(recorder, after: 0)
        session.detach(recorder)
        host.advance(by: .seconds(5))
        #expect(session.generations.last?.status == .cancelled)
    }

    @Test func cancellingAndClosingEndTheWait() throws {
        try speak("one", to: makeSession(), .grace(.seconds(5)))
        let session = try restart()
        try session.cancel(by: nil)
        #expect(session.generations.last?.status == .cancelled)
        session.close()
        #expect(host.pendingTimerCount == 0)
    }

    // MARK: What was said

    @Test func halfOfAnyToolCallEndsIt() throws {
        try speak("one", to: makeSession())
        model.generations.last?.toolCall(index: 0, callID: "c0", name: "f")
        model.generations.last?.argue(0, #"{\"a\":"#)
        model.generations.last?.say("and in words")
        let session = try restart()
        #expect(session.generations.last?.status == .incomplete(.serverRestarted) && model.requests.count == 1)
    }

    @Test func steersThatWaitForToolsAreTakenByTheNextResponse() throws {
        let first = makeSession()
        try speak("one", to: first)
        model.generations.last?.toolCall(index: 0, callID: "c0", name: "f")
        model.generations.last?.finish(.toolCalls)
        let target = try #require(first.generations.last)
        for index in 0..<PendingSteer.maxCount {
            try first.keep(PendingSteer(id: "s\(index)", items: [.userMessage("steer \(index)")]), for: target)
        }
        #expect(throws: SessionError.tooManyPendingSteers(limit: PendingSteer.maxCount)) {
            try first.keep(PendingSteer(id: "s9", items: [.userMessage("steer 9")]), for: target)
        }
        first.withdraw(steerID: "s7", from: target)
        let session = try restart()
        var refused = Input(items: [.userMessage("x")], parameters: session.defaults, policy: .continuing)
        refused.items += refused.items
        #expect(throws: SessionError.self) { try session.submit(refused) }
        try speak("two", to: session)
        #expect(model.requests.last?.items.suffix(8).map(\.text) == (0..<7).map { "steer \($0)" } + ["two"])
        model.generations.last?.finish(.stop)
        try speak("three", to: session)
        #expect(model.requests.last?.items.filter { $0.text.hasPrefix("steer") }.count == 7)
    }

    @Test func moreCallsOfToolsThanMayBeAreNoCompletedAnswer() throws {
        let session = makeSession()
        try speak("one", to: session)
        for index in 0...session.limits.maxToolCalls {
            model.generations.last?.toolCall(index: index, callID: "c\(index)", name: "f")
        }
        #expect(session.generations.last?.status == .incomplete(.maxOutputTokens))
        #expect(session.generations.last?.output.count == session.limits.maxToolCalls)
        #expect(model.calls.last?.cancelCount == 1)
    }
}

import Testing

@testable import Sessions

/// A response beside the conversation has a log of its own, whatever runs in the session.
@Suite struct OutOfBandTests {
    private let fixture = Fixture(mode: .queue)
    private var session: Session { fixture.session }

    private func beside(_ text: String = "aside", policy: DisconnectPolicy = .continuing) throws -> OutOfBandResponse {
        try session.answerBeside(fixture.input(text, policy: policy))
    }

    @Test func neitherLogHasTheOthersEvents() throws {
        let running = try fixture.submit("hi").generation
        running.say("in the ")
        let response = try beside()
        let reader = Recorder()
        try response.attach(reader)
        response.generation.say("beside")
        running.say("conversation")
        response.generation.finish(.stop)
        running.finish(.stop)
        #expect(running.status == .completed && response.generation.status == .completed)
        #expect(reader.types.last == .responseCompleted && reader.sequences == Array(1...response.log.lastPosition))
        #expect(response.log.events.allSatisfy { $0.response === response.generation.header })
        #expect(fixture.log.allSatisfy { $0.response !== response.generation.header })
        #expect(response.log.events.filter(\.kind.isDelta).map(\.text) == ["beside"])
        #expect(fixture.log.filter(\.kind.isDelta).map(\.text) == ["in the ", "conversation"])
        checkInvariants(fixture)
    }

    @Test func itsLogNamesTheSessionThatItBelongsTo() throws {
        let response = try beside()
        #expect(response.log.parentSessionID == session.id && response.generation.sessionID == session.id)
        #expect(response.generation.owner == session.owner)
    }

    @Test func itReadsTheConversationAndIsNotRemembered() throws {
        try session.add([.userMessage("one")])
        let response = try beside()
        #expect(fixture.model.requests.last?.items.map(\.text) == ["one", "aside"])
        response.generation.say("unheard of")
        response.generation.finish(.stop)
        #expect(fixture.conversation == ["one"] && session.generations.isEmpty)
        _ = try session.answerBeside(fixture.input("alone"), reading: [])
        #expect(fixture.model.requests.last?.items.map(\.text) == ["alone"])
    }

    @Test func itTakesNoNumberOfTheSession() throws {
        _ = try beside()
        #expect(try fixture.submit("hi").generation.header.ordinal == 1)
    }

    @Test func anInterjectionDoesNotReachIt() throws {
        let response = try beside()
        try fixture.submit("hi")
        try fixture.submit("no", mode: .interrupt)
        try session.cancel(by: nil)
        #expect(response.generation.isActive && !session.isAtRest && session.isGenerating)
        response.cancel()
        response.cancel()
        #expect(response.generation.status == .cancelled && session.isAtRest)
        #expect(fixture.model.calls[0].cancelCount == 1)
    }

    @Test func itGoesByItsOwnPolicyWhenItsReaderLeaves() throws {
        let (stays, goes) = (try beside(), try beside(policy: .cancel))
        let late = try beside(policy: .grace(.seconds(5)))
        for response in [stays, goes, late] {
            let reader = Recorder()
            try response.attach(reader)
            reader.detach()
        }
        #expect(stays.generation.isActive && goes.generation.status == .cancelled && late.generation.isActive)
        fixture.host.advance(by: .seconds(5))
        #expect(late.generation.status == .cancelled && stays.generation.isActive)
    }

    @Test func itEndsWithItsSession() throws {
        let response = try beside()
        session.close()
        #expect(response.generation.status == .cancelled)
        #expect(throws: SessionError.self) { try beside() }
    }

    @Test func itIsNotStoredAndItsMemoryIsTheSessions() throws {
        var told = 0
        let before = session.byteCount
        session.onAppend = { told += $0 }
        do {
            let response = try beside()
            response.generation.say("beside")
            #expect(session.byteCount - before >= response.log.byteCount && told == session.byteCount - before)
            response.cancel()
            fixture.model.forgetCalls()
        }
        #expect(session.byteCount == before && told == 0)
    }

    @Test func onlySoManyRunAtOnce() throws {
        for _ in 0..<session.limits.maxQueuedInputs { _ = try beside() }
        #expect(throws: SessionError.self) { try beside() }
    }

    @Test func listenersAreToldOfItToo() throws {
        let response = try beside()
        response.generation.finish(.stop)
        #expect(fixture.host.beginnings == [response.generation.id] && fixture.host.endings == ["completed"])
    }
}

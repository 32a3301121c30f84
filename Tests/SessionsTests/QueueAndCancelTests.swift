import Bytes
import JSON
import Sessions
import Testing

@Suite struct QueueAndCancelTests {
    @Test func inputsAreAnsweredInTheirOrder() throws {
        let fixture = Fixture(mode: .queue)
        var waiting = [try fixture.submit("0").generation]
        for number in 1...5 { waiting.append(try fixture.submit("\(number)").generation) }
        #expect(fixture.state["queued"]?.array?.compactMap { $0["response_id"]?.string } == waiting.dropFirst().map(\.id))
        for generation in waiting {
            #expect(fixture.session.active === generation)
            generation.say("answer")
            generation.finish(.stop)
        }
        #expect(fixture.model.generations.map(\.id) == waiting.map(\.id))
        #expect(zip(waiting.dropFirst(), waiting).allSatisfy { $0.previousResponseID == $1.id })
        #expect(fixture.conversation.filter { $0 != "answer" } == ["0", "1", "2", "3", "4", "5"])
        checkInvariants(fixture)
    }

    @Test func asManyWaitAsMayAndTheNextIsRefused() throws {
        var limits = SessionLimits()
        limits.maxQueuedInputs = 2
        let fixture = Fixture(mode: .queue, limits: limits)
        let first = try fixture.submit("0").generation
        try fixture.submit("1")
        try fixture.submit("2")
        let last = fixture.session.log.lastPosition
        #expect(throws: SessionError.tooManyQueuedInputs(limit: 2)) { try fixture.submit("3") }
        #expect(fixture.session.log.lastPosition == last)
        first.finish(.stop)
        try fixture.submit("4")
        checkInvariants(fixture)
    }

    @Test func aQueueOfModelsThatEndAtOnceRunsDry() throws {
        let fixture = Fixture(mode: .queue)
        let first = try fixture.submit("0").generation
        for number in 1...16 { try fixture.submit("\(number)") }
        fixture.model.whenStarted = { $0.finish(.stop) }
        first.finish(.stop)
        #expect(fixture.session.active == nil)
        #expect(fixture.session.queued.isEmpty)
        #expect(fixture.session.generations.allSatisfy { $0.status == .completed })
        checkInvariants(fixture)
    }

    @Test func aFailureDoesNotHoldUpThoseWhoWait() throws {
        let fixture = Fixture(mode: .queue)
        let first = try fixture.submit("0").generation
        let second = try fixture.submit("1").generation
        first.fail(GenerationError(code: "server_error", message: "", status: 500, type: "server_error"))
        #expect(fixture.session.active === second)
        checkInvariants(fixture)
    }

    // MARK: Cancel

    @Test func aCancelEndsTheRunningResponseAndKeepsItsText() throws {
        let fixture = Fixture()
        let generation = try fixture.submit("hi").generation
        generation.say("par")
        let ann = Participant(name: "Ann")
        let cancelled = try fixture.session.cancel(by: ann, clientEventID: "c1")
        #expect(cancelled === generation)
        #expect(generation.status == .cancelled)
        #expect(fixture.model.calls[0].cancelCount == 1)
        #expect(fixture.recorder.types.suffix(2) == [.responseCancelled, .cancelled])
        let event = fixture.recorder.json(.cancelled)[0]
        #expect(event["response_id"]?.string == generation.id)
        #expect(event["reason"]?.string == "cancel")
        #expect(event["client_event_id"]?.string == "c1")
        #expect(event["participant"]?["id"]?.string == ann.id)
        #expect(fixture.conversation == ["hi", "par"])
        #expect(fixture.session.items.last?.status == .incomplete)
        checkInvariants(fixture)
    }

    @Test func theNextOneOfTheQueueFollowsACancel() throws {
        let fixture = Fixture(mode: .queue)
        let first = try fixture.submit("0").generation
        let second = try fixture.submit("1").generation
        try fixture.session.cancel(responseID: first.id, by: nil)
        #expect(fixture.session.active === second)
        #expect(fixture.recorder.types.suffix(3) == [.responseCancelled, .cancelled, .responseCreated])
        checkInvariants(fixture)
    }

    @Test func aQueuedResponseThatIsCancelledHasABeginningAndAnEnd() throws {
        let fixture = Fixture(mode: .queue)
        let first = try fixture.submit("0").generation
        let second = try fixture.submit("1").generation
        let third = try fixture.submit("2").generation
        #expect(try fixture.session.cancel(responseID: second.id, by: nil) === second)
        #expect(fixture.types(of: second) == [.responseCreated, .responseCancelled])
        #expect(first.isActive)
        first.finish(.stop)
        #expect(fixture.session.active === third)
        #expect(third.previousResponseID == first.id)
        #expect(fixture.conversation == ["0", "2"])
        #expect(fixture.model.calls.count == 2)
        checkInvariants(fixture)
    }

    @Test func aCancelOfWhatHasEndedIsRefusedAndChangesNothing() throws {
        let fixture = Fixture()
        #expect(throws: SessionError.noActiveResponse) { try fixture.session.cancel(by: nil) }
        let first = try fixture.submit("0").generation
        try fixture.session.cancel(by: nil)
        let last = fixture.session.log.lastPosition
        #expect(throws: SessionError.noActiveResponse) { try fixture.session.cancel(by: nil) }
        #expect(throws: SessionError.responseNotActive(responseID: first.id)) {
            try fixture.session.cancel(responseID: first.id, by: nil)
        }
        #expect(fixture.session.log.lastPosition == last)
        let second = try fixture.submit("1").generation
        #expect(throws: SessionError.responseNotActive(responseID: first.id)) {
            try fixture.session.cancel(responseID: first.id, by: nil)
        }
        #expect(second.isActive)
        #expect(fixture.model.calls[0].cancelCount == 1)
    }

    @Test func dropQueuedEndsAllThatWait() throws {
        let fixture = Fixture(mode: .queue)
        let first = try fixture.submit("0").generation
        let second = try fixture.submit("1").generation
        let third = try fixture.submit("2").generation
        fixture.session.dropQueued()
        #expect(fixture.session.queued.isEmpty)
        #expect([second.status, third.status] == [.cancelled, .cancelled])
        first.finish(.stop)
        #expect(fixture.session.active == nil)
        checkInvariants(fixture)
    }

    // MARK: Closing and forking

    @Test func closingCancelsWhatRunsAndTellsThoseWhoFollow() throws {
        let fixture = Fixture(mode: .queue)
        let first = try fixture.submit("0").generation
        let second = try fixture.submit("1").generation
        first.say("x")
        let paused = Recorder()
        paused.credit = 1
        try fixture.session.attach(paused, after: 0)
        fixture.session.close()
        fixture.session.close()
        #expect(fixture.model.calls.map(\.cancelCount) == [1])
        #expect([first.status, second.status] == [.cancelled, .cancelled])
        let told = fixture.recorder.json(.cancelled).compactMap { $0["response_id"]?.string }
        #expect(told == [second.id, first.id])
        #expect(fixture.recorder.sessionClosedCount == 1)
        #expect(paused.sessionClosedCount == 1)
        #expect(!fixture.recorder.isFollowing)
        #expect(fixture.recorder.sequences == Array(1...fixture.session.log.lastPosition))
        checkInvariants(fixture)
        #expect(throws: SessionError.sessionClosed) { try fixture.submit("late") }
        #expect(throws: SessionError.sessionClosed) { try fixture.session.cancel(by: nil) }
        #expect(throws: SessionError.sessionClosed) { try fixture.session.attach(Recorder(), after: 0) }
        #expect(throws: SessionError.sessionClosed) { try fixture.session.join(Participant(name: "x")) }
        first.say("late")
        fixture.session.resume(paused)
        fixture.session.detach(paused)
        #expect(paused.events.count == 1)
    }

    @Test func aSessionThatIsDroppedClosesItsUpstream() throws {
        let host = FakeHost()
        var session: Session? = Session(owner: "me", host: host, defaults: ResponseParameters(model: "m"))
        _ = try session?.submit(
            Input(items: [.userMessage("x")], parameters: ResponseParameters(model: "m"), policy: .continuing))
        session = nil
        #expect(host.scripted.calls[0].cancelCount == 1)
        host.scripted.generations[0].say("into the void")
        host.scripted.generations[0].finish(.stop)
        var buffer = ByteBuffer()
        buffer.appendJSONObject { host.scripted.generations[0].write(to: &$0) }
        let byteCount = buffer.count
        #expect(byteCount > 0)
    }

    @Test func aForkBeginsWithTheItemsAndNamesItsOrigin() throws {
        let origin = Fixture()
        let generation = try origin.submit("hi").generation
        generation.say("Hello")
        generation.finish(.stop)
        try origin.submit("another way")
        let items = try #require(origin.session.conversation(upTo: generation))
        let fork = Fixture(forking: (generation, items))
        #expect(fork.session.forkedFrom == generation.id)
        #expect(fork.recorder.json(.sessionCreated)[0]["session"]?["forked_from"]?.string == generation.id)
        let next = try fork.submit("this way").generation
        #expect(next.previousResponseID == generation.id)
        #expect(fork.model.requests[0].items.map(\.text) == ["hi", "Hello", "this way"])
        #expect(origin.conversation == ["hi", "Hello", "another way"])
        #expect(origin.session.conversation(upTo: origin.session.generations[1])?.count == nil)
        checkInvariants(fork)
    }

    @Test func thePredecessorThatTheClientNamedStands() throws {
        let fixture = Fixture()
        try fixture.submit("a").generation.finish(.stop)
        var input = fixture.input("b")
        input.previousResponseID = "resp_named"
        input.responseID = "resp_mine"
        let generation = try fixture.session.submit(input).generation
        #expect(generation.id == "resp_mine")
        #expect(generation.previousResponseID == "resp_named")
    }

    @Test func participantsJoinAndLeaveInTheLog() throws {
        var limits = SessionLimits()
        limits.maxParticipants = 1
        let fixture = Fixture(limits: limits)
        let ann = Participant(name: "Ann \"A\"")
        try fixture.session.join(ann)
        #expect(throws: SessionError.tooManyParticipants(limit: 1)) { try fixture.session.join(Participant(name: "Bob")) }
        #expect(fixture.state["participants"]?[0]?["name"]?.string == "Ann \"A\"")
        fixture.session.leave(ann)
        fixture.session.leave(ann)
        #expect(fixture.recorder.types == [.sessionCreated, .participantJoined, .participantLeft])
    }
}

import JSON
import Sessions
import Testing

/// What each command does, and what comes of it.
@Suite struct CommandTests {
    private func submit(_ text: String, as id: String, mode: InterjectionMode? = nil) -> SessionCommand.Submit {
        var submit = SessionCommand.Submit(
            NewItems([.userMessage(text)]), responseID: id, parameters: .whole(ResponseParameters(model: "m")))
        submit.mode = mode
        return submit
    }

    private func handle(_ fixture: Fixture, _ kind: SessionCommand.Kind, following cursor: Cursor? = nil) -> SessionOutcome {
        fixture.session.handle(SessionCommand(kind), following: cursor)
    }

    /// A response that has ended.
    private func answer(_ fixture: Fixture, _ text: String, as id: String, with answer: String) throws {
        _ = try handle(fixture, .submit(submit(text, as: id))).accepted()
        fixture.session.active?.say(answer)
        fixture.session.active?.finish(.stop)
    }

    // MARK: Speaking

    @Test func anInputInterruptsAndItsOutcomeTellsSo() throws {
        let fixture = Fixture()
        var first = submit("one", as: "resp_1")
        first.withObject = true
        let begun = try handle(fixture, .submit(first)).accepted()
        #expect(begun.sessionID == fixture.session.id && begun.responseID == "resp_1" && begun.mode == nil)
        #expect(try JSONValue.parse(begun.object ?? [])["status"] == "in_progress")
        fixture.session.active?.say("half")
        let reader = Recorder()
        let next = try handle(fixture, .submit(submit("two", as: "resp_2")), following: reader).accepted()
        #expect(next.mode == .interrupt && next.interrupted?.outputText == "half" && next.object == nil)
        #expect(next.position == fixture.log.last { $0.kind == .inputAccepted }?.logPosition)
        // The reader has all that the command caused, and nothing from before.
        #expect(reader.events.first?.response?.id == "resp_1" && reader.types.contains(.inputAccepted))
        checkInvariants(fixture)
    }

    @Test func theOutcomeOfAnInputTellsTheSessionAsItStoodBefore() throws {
        let fixture = Fixture()
        try answer(fixture, "one", as: "resp_1", with: "1")
        let before = try handle(fixture, .readState).state()
        var next = submit("two", as: "resp_2")
        #expect(try handle(fixture, .submit(submit("side", as: "resp_s"))).accepted().standing == nil)
        fixture.session.active?.finish(.stop)
        let standing = try handle(fixture, .readState).state()
        #expect(standing != before)
        next.withStanding = true
        let reader = Recorder()
        let accepted = try handle(fixture, .submit(next), following: reader).accepted()
        #expect(accepted.standing == standing)
        // Where the state ends, the reader goes on.
        #expect(reader.events.first?.position == standing.state.lastPosition.sequence + 1)
    }

    @Test func theOutcomeOfAnInputOnABranchTellsTheBranch() throws {
        let fixture = Fixture()
        try answer(fixture, "one", as: "resp_1", with: "1")
        try answer(fixture, "two", as: "resp_2", with: "2")
        var next = submit("other", as: "resp_3")
        next.continuation = .init(of: "resp_1", isStored: true, isDurable: true)
        next.withStanding = true
        let accepted = try handle(fixture, .submit(next)).accepted()
        #expect(accepted.sessionID != fixture.session.id)
        let told = try JSONValue.parse(#require(accepted.standing).state.json)
        #expect(told["id"]?.string == accepted.sessionID && told["items"]?.array?.count == 2)
    }

    @Test func aRefusedInputLeavesNoReader() {
        let fixture = Fixture(mode: .reject)
        let reader = Recorder()
        _ = handle(fixture, .submit(submit("one", as: "resp_1")))
        let count = fixture.session.cursorCount
        let outcome = handle(fixture, .submit(submit("two", as: "resp_2")), following: reader)
        #expect(outcome == .refused(.responseInProgress(responseID: "resp_1")))
        #expect(fixture.session.cursorCount == count && !reader.isFollowing)
        #expect(fixture.conversation == ["one"])
    }

    /// A reader whose command is refused has heard nothing: that it goes is no disconnect, and that it came ends no grace.
    @Test(arguments: [DisconnectPolicy.cancel, .grace(.seconds(5))])
    func aRefusedCommandWithAReaderLeavesWhatRunsAlone(_ policy: DisconnectPolicy) throws {
        var limits = SessionLimits()
        limits.maxParticipants = 0
        let fixture = Fixture(mode: .reject, limits: limits)
        var first = submit("one", as: "resp_1")
        first.policy = policy
        _ = try handle(fixture, .submit(first)).accepted()
        let again = SessionCommand.Steer(
            Input.Steer(responseID: "resp_1"), items: fixture.session.items, successorID: "resp_3", waitsForToolOutputs: true)
        let refused: [SessionCommand.Kind] = [
            .submit(submit("two", as: "resp_2")), .steer(again),
            .join(SessionCommand.Join(participant: Participant(name: "Ann"), after: nil)),
        ]
        func refuseAll() {
            for kind in refused {
                let reader = Recorder()
                #expect(handle(fixture, kind, following: reader).isRefusal)
                #expect(!reader.isFollowing && reader.events.isEmpty && fixture.session.cursorCount == 1)
            }
        }
        refuseAll()
        fixture.host.advance(by: .seconds(60))
        #expect(fixture.session.active?.id == "resp_1")
        guard policy != .cancel else { return }

        // The grace of one who has left goes on as it was.
        let listener = Recorder()
        try fixture.session.attach(listener, after: 0)
        fixture.session.detach(listener)
        fixture.host.advance(by: .seconds(3))
        refuseAll()
        #expect(fixture.session.active?.id == "resp_1")
        fixture.host.advance(by: .seconds(2))
        #expect(fixture.session.active == nil)
    }

    @Test func missingParametersComeFromTheSession() throws {
        let host = FakeHost()
        let defaults = ResponseParameters(model: "m", instructions: "be brief", members: ["temperature": 1, "top_p": 1])
        let session = Session(owner: "me", host: host, defaults: defaults, policy: .grace(.seconds(3)))
        var input = submit("hello", as: "resp_1")
        input.parameters = .overDefaults(model: nil, instructions: nil, members: ["top_p": 0], firstModel: "other")
        input.speaker = .guest(name: "Ann")
        _ = try session.handle(SessionCommand(.submit(input))).accepted()
        let generation = try #require(session.active)
        #expect(
            generation.parameters
                == ResponseParameters(
                    model: "m", instructions: "be brief", members: ["temperature": 1, "top_p": 0]))
        #expect(generation.policy == .grace(.seconds(3)))
        #expect(session.items.first?.body["name"] == "Ann")
    }

    @Test func anInputNeedsAModel() throws {
        let host = FakeHost()
        let session = Session(owner: "me", host: host, defaults: ResponseParameters(model: ""))
        var input = submit("hello", as: "resp_1")
        input.parameters = .overDefaults(model: nil, instructions: nil, members: [:], firstModel: nil)
        #expect(session.handle(SessionCommand(.submit(input))) == .refused(.missingModel))
        input.parameters = .overDefaults(model: nil, instructions: nil, members: [:], firstModel: "first")
        _ = try session.handle(SessionCommand(.submit(input))).accepted()
        #expect(session.active?.parameters.model == "first")
    }

    // MARK: Branches

    @Test func anInputGoesOnHereFromTheLastResponseAndElsewhereFromAnEarlierOne() throws {
        let host = BranchingHost()
        let session = Session(owner: "me", host: host, defaults: ResponseParameters(model: "m"))
        func go(on previous: String, _ text: String, as id: String) throws -> SessionOutcome.Accepted {
            var input = submit(text, as: id)
            input.continuation = SessionCommand.Submit.Continuation(of: previous, isStored: true, isDurable: true)
            let accepted = try session.handle(SessionCommand(.submit(input))).accepted()
            let active = session.id == accepted.sessionID ? session.active : host.branches.last?.active
            active?.say("answer to \(text)")
            active?.finish(.stop)
            return accepted
        }
        _ = try session.handle(SessionCommand(.submit(submit("one", as: "resp_1")))).accepted()
        session.active?.finish(.stop)
        #expect(try go(on: "resp_1", "two", as: "resp_2").sessionID == session.id)
        let branched = try go(on: "resp_1", "other", as: "resp_3")
        let branch = try #require(host.branches.last)
        #expect(branched.sessionID == branch.id && session.destination(of: .accepted(branched)) === branch)
        #expect(branch.items.map(\.text) == ["one", "other", "answer to other"] && branch.forkedFrom == "resp_1")
        #expect(session.items.map(\.text) == ["one", "two", "answer to two"])
        // What the store is to have never goes on in a session that it does not have.
        host.isDurable = false
        #expect(try go(on: "resp_2", "three", as: "resp_4").sessionID != session.id)
        #expect(throws: SessionError.previousResponseNotFound("resp_9")) { try go(on: "resp_9", "x", as: "resp_5") }
    }

    @Test func aReaderOfABranchReadsTheBranch() throws {
        let host = BranchingHost()
        let session = Session(owner: "me", host: host, defaults: ResponseParameters(model: "m"))
        for id in ["resp_1", "resp_2"] {
            _ = try session.handle(SessionCommand(.submit(submit(id, as: id)))).accepted()
            session.active?.finish(.stop)
        }
        var input = submit("other", as: "resp_3")
        input.continuation = SessionCommand.Submit.Continuation(of: "resp_1", isStored: true, isDurable: true)
        let reader = Recorder()
        let outcome = session.handle(SessionCommand(.submit(input)), following: reader)
        #expect(host.branches.last?.cursorCount == 1 && session.cursorCount == 0)
        #expect(reader.events.allSatisfy { $0.response == nil || $0.response?.id == "resp_3" })
        session.destination(of: outcome).withdraw(SessionCommand(.submit(input)), outcome)
        #expect(host.branches.last?.items.map(\.text) == ["resp_1"] && host.branches.last?.generations.isEmpty == true)
    }

    // MARK: Steering

    @Test func aSteerCutsWhatRuns() throws {
        let fixture = Fixture()
        _ = handle(fixture, .submit(submit("one", as: "resp_1")))
        fixture.session.active?.say("a")
        let steer = SessionCommand.Steer(
            Input.Steer(responseID: "resp_1"), items: [.userMessage("in verse")], successorID: "resp_2", waitsForToolOutputs: true)
        #expect(try handle(fixture, .steer(steer)).accepted().responseID == "resp_2")
        #expect(fixture.session.active?.id == "resp_2")
        // Again: what it names has been cut.
        #expect(handle(fixture, .steer(steer)) == .refused(.responseNotActive(responseID: "resp_1")))
        var unknown = steer
        unknown.steer.responseID = "resp_9"
        #expect(handle(fixture, .steer(unknown)) == .refused(.responseNotFound("resp_9")))
    }

    @Test func aSteerThatCannotBeAnsweredSaysWhy() {
        let fixture = Fixture()
        _ = handle(fixture, .submit(submit("one", as: "resp_1")))
        let item = fixture.session.items[0]
        let steer = SessionCommand.Steer(
            Input.Steer(responseID: "resp_1"), items: [item], successorID: "resp_2", waitsForToolOutputs: true)
        #expect(handle(fixture, .steer(steer)) == .refused(.successorRefused(.duplicateItem(id: item.id))))
        #expect(fixture.session.active?.id == "resp_1")
    }

    @Test func aSteerWaitsForToolOutputsWhereTheClientCanWait() throws {
        let fixture = Fixture()
        _ = handle(fixture, .submit(submit("one", as: "resp_1")))
        fixture.session.active?.toolCall(index: 0, callID: "call_1", name: "f")
        fixture.session.active?.argue(0, "{}")
        fixture.session.active?.finish(.toolCalls)
        var steer = SessionCommand.Steer(
            Input.Steer(id: "steer_1", responseID: "resp_1"), items: [.userMessage("in verse")], successorID: "resp_2",
            waitsForToolOutputs: false)
        #expect(handle(fixture, .steer(steer)) == .refused(.responseAlreadyCompleted(responseID: "resp_1")))
        steer.waitsForToolOutputs = true
        let outcome = handle(fixture, .steer(steer))
        #expect(outcome == .steerKept(callIDs: ["call_1"]))
        #expect(fixture.session.generations[0].pendingSteers.map(\.id) == ["steer_1"])
        fixture.session.withdraw(SessionCommand(.steer(steer)), outcome)
        #expect(fixture.session.generations[0].pendingSteers.isEmpty)
    }

    // MARK: Cancelling

    @Test func cancelTellsOfTheResponseAsItIsAsked() throws {
        let fixture = Fixture()
        #expect(handle(fixture, .cancel(SessionCommand.Cancel())) == .refused(.noActiveResponse))
        _ = handle(fixture, .submit(submit("one", as: "resp_1")))
        #expect(handle(fixture, .cancel(SessionCommand.Cancel(responseID: "resp_1"))) == .done)
        let again = SessionCommand.Cancel(responseID: "resp_1", answer: .object)
        #expect(handle(fixture, .cancel(again)) == .refused(.responseNotActive(responseID: "resp_1")))
        var anyway = SessionCommand.Cancel(responseID: "resp_1", answer: .objectInAnyCase)
        let standing = try handle(fixture, .cancel(anyway)).response()
        #expect(standing.status == "cancelled" && !standing.isOpen)
        #expect(try JSONValue.parse(standing.object ?? [])["id"] == "resp_1")
        anyway.responseID = "resp_9"
        #expect(handle(fixture, .cancel(anyway)) == .refused(.responseNotFound("resp_9")))
        #expect(fixture.host.scripted.uncancelledCount == 0)
    }

    @Test func cancelMayDropWhatWaits() throws {
        let fixture = Fixture(mode: .queue)
        for id in ["resp_1", "resp_2", "resp_3"] { _ = handle(fixture, .submit(submit(id, as: id))) }
        let cancel = SessionCommand.Cancel(reason: .shutdown, dropsQueued: true, answer: .object)
        #expect(try handle(fixture, .cancel(cancel)).response().id == "resp_1")
        #expect(fixture.session.active == nil && fixture.session.queued.isEmpty)
        #expect(fixture.recorder.json(.cancelled).map { $0["reason"] } == ["cancel", "cancel", "shutdown"])
    }

    // MARK: The conversation

    @Test func itemsAreAddedPagedDeletedAndWithdrawn() throws {
        let fixture = Fixture()
        let items = ["a", "b", "c"].map { Item(id: $0, body: ["type": "message", "role": "user", "content": .string($0)]) }
        let added = SessionCommand(.addItems(NewItems(items)))
        let outcome = fixture.session.handle(added)
        #expect(try outcome.summary().record.id == fixture.session.id)
        #expect(handle(fixture, added.kind) == .refused(.duplicateItem(id: "a")))
        func page(_ limit: Int, _ isAscending: Bool, after: String?) throws -> (items: [Item], hasMore: Bool) {
            let range = SessionCommand.ItemRange(limit: limit, isAscending: isAscending, after: after)
            return try handle(fixture, .readItems(.conversation, range)).items()
        }
        #expect(try page(2, true, after: nil).items.map(\.id) == ["a", "b"] && page(2, true, after: nil).hasMore)
        #expect(try page(2, false, after: "b").items.map(\.id) == ["a"] && !page(2, false, after: "b").hasMore)
        #expect(throws: SessionError.itemNotInList("z")) { try page(2, true, after: "z") }
        #expect(try page(-1, true, after: nil).items.isEmpty)
        #expect(try handle(fixture, .readItem(id: "b")).items().items == [items[1]])
        _ = try handle(fixture, .deleteItem(id: "b")).summary()
        #expect(handle(fixture, .deleteItem(id: "b")) == .refused(.itemNotFound("b")))
        #expect(handle(fixture, .readItem(id: "b")) == .refused(.itemNotFound("b")))
        fixture.session.withdraw(added, outcome)
        #expect(fixture.conversation.isEmpty)
    }

    @Test func aRefusalIsNotWithdrawn() {
        let fixture = Fixture()
        let item = Item(id: "a", body: ["type": "message", "role": "user", "content": "a"])
        _ = handle(fixture, .addItems(NewItems([item])))
        // An item of that name is there: not of this command.
        let again = SessionCommand(.addItems(NewItems([item])))
        fixture.session.withdraw(again, fixture.session.handle(again))
        #expect(fixture.conversation == ["a"])
    }

    @Test func metadataIsReplaced() throws {
        let fixture = Fixture()
        let summary = try handle(fixture, .setMetadata(["a": "b"])).summary()
        #expect(summary.record.metadata == ["a": "b"] && !summary.isGenerating)
        #expect(summary.lastPosition == fixture.session.log.end)
        #expect(try handle(fixture, .readSummary).summary() == summary)
    }

    @Test func promptsAreMeasuredUpToAResponse() throws {
        let fixture = Fixture()
        try answer(fixture, "12345", as: "resp_1", with: "123")
        try answer(fixture, "1", as: "resp_2", with: "1")
        #expect(handle(fixture, .measurePrompt(upTo: nil)) == .byteCount(10))
        #expect(handle(fixture, .measurePrompt(upTo: "resp_1")) == .byteCount(8))
        #expect(handle(fixture, .measurePrompt(upTo: "resp_9")) == .refused(.previousResponseNotFound("resp_9")))
    }

    @Test func aResponseIsReadAndDeleted() throws {
        let fixture = Fixture()
        try answer(fixture, "one", as: "resp_1", with: "a")
        let standing = try handle(fixture, .readResponse(id: "resp_1", withObject: false)).response()
        #expect(standing.status == "completed" && standing.object == nil && !standing.isOpen)
        #expect(standing.lastPosition == fixture.session.log.end)
        let range = SessionCommand.ItemRange(limit: 10, isAscending: true, after: nil)
        #expect(try handle(fixture, .readItems(.input(ofResponse: "resp_1"), range)).items().items.map(\.text) == ["one"])
        #expect(handle(fixture, .deleteResponse(id: "resp_1")) == .done)
        #expect(handle(fixture, .deleteResponse(id: "resp_1")) == .refused(.responseNotFound("resp_1")))
        #expect(handle(fixture, .readResponse(id: "resp_1", withObject: true)) == .refused(.responseNotFound("resp_1")))
        #expect(fixture.conversation == ["one", "a"])
    }

    @Test func stepsAreTakenWhileTheirResponseRuns() throws {
        let fixture = Fixture()
        _ = handle(fixture, .submit(submit("one", as: "resp_1")))
        let step = Step(id: "s", kind: "tool", status: .completed)
        #expect(try handle(fixture, .addSteps(responseID: "resp_1", [step])).steps().areTaken)
        #expect(fixture.session.active?.steps == [step])
        let many = (0..<Step.Limits.maxCount).map { Step(id: "\($0)", kind: "tool", status: .completed) }
        #expect(handle(fixture, .addSteps(responseID: "resp_1", many)) == .refused(.tooManySteps(limit: Step.Limits.maxCount)))
        fixture.session.active?.finish(.stop)
        let late = try handle(fixture, .addSteps(responseID: "resp_1", [step])).steps()
        #expect(!late.areTaken && late.response.status == "completed")
    }
}

/// A host that has branches made, and keeps them.
private final class BranchingHost: SessionHost {
    private let fake = FakeHost()
    private(set) var branches: [Session] = []
    /// Whether sessions are committed as an input asks.
    var isDurable = true

    var unixTime: Int { fake.unixTime }
    var model: any Model { fake.model }
    func schedule(after delay: Duration, _ action: @escaping () -> Void) -> () -> Void { fake.schedule(after: delay, action) }
    func interrupted(_ generation: Generation) {}

    func session(_ id: String) -> Session? { branches.first { $0.id == id } }
    func isDurable(_ session: Session, asAsked isAsked: Bool) -> Bool { isDurable }
    func makeBranch(
        of session: Session, at generation: Generation, _ items: [Item], defaults: ResponseParameters, isStored: Bool,
        isDurable: Bool
    ) -> Session {
        let branch = Session(owner: session.owner, host: self, defaults: defaults, forking: (generation, items))
        branches.append(branch)
        return branch
    }
}

import Sessions
import Testing

@Suite struct WithdrawingTests {
    @Test func whatIsWithdrawnLeavesTheConversationAsItWas() throws {
        let fixture = Fixture(mode: .queue)
        let first = try fixture.submit("one").generation
        first.say("a")
        first.finish(.stop)
        let running = try fixture.submit("two").generation
        running.say("b")
        let waiting = try fixture.submit("three").generation
        fixture.session.withdraw(responseID: running.id)
        #expect(running.status == .cancelled)
        #expect(running.isWithdrawn)
        // What waited behind it has its turn.
        #expect(fixture.session.active === waiting)
        fixture.session.withdraw(responseID: waiting.id)
        #expect(waiting.status == .cancelled)
        #expect(fixture.conversation == ["one", "a"])
        #expect(fixture.session.generations.map(\.id) == [first.id])
        #expect(fixture.host.scripted.uncancelledCount == 0)
        // Again, or when there is no such thing: nothing.
        fixture.session.withdraw(responseID: running.id)
        #expect(fixture.conversation == ["one", "a"])
    }

    @Test func whatHasEndedIsWithdrawnWithItsAnswer() throws {
        let fixture = Fixture(mode: .queue)
        let answered = try fixture.submit("one").generation
        answered.say("a")
        answered.finish(.stop)
        fixture.session.withdraw(responseID: answered.id)
        #expect(fixture.conversation == [])
        #expect(fixture.session.generations.isEmpty)
    }

    @Test func whatItTookOfSteersWaitsAgain() throws {
        let fixture = Fixture(mode: .queue)
        let steered = try fixture.submit("one").generation
        steered.say("a")
        steered.finish(.stop)
        try fixture.session.keep(PendingSteer(id: "steer_1", items: [.userMessage("in verse")]), for: steered)
        let taker = try fixture.submit("two").generation
        #expect(steered.pendingSteers.isEmpty && fixture.conversation == ["one", "a", "in verse", "two"])
        fixture.session.withdraw(responseID: taker.id)
        #expect(steered.pendingSteers.map(\.id) == ["steer_1"] && fixture.conversation == ["one", "a"])
        _ = try fixture.submit("three")
        #expect(steered.pendingSteers.isEmpty && fixture.conversation == ["one", "a", "in verse", "three"])
    }

    @Test func whoWaitsForTheStorageIsToldAndWhoWatchesIsNot() throws {
        let fixture = Fixture()
        let listener = StallRecorder(listens: true), watcher = StallRecorder(listens: false)
        listener.isPausing = true
        try fixture.session.attach(listener, after: fixture.session.log.lastPosition)
        try fixture.session.attach(watcher, after: fixture.session.log.lastPosition)
        fixture.session.announceStall()
        #expect(listener.stallCount == 0)
        try fixture.submit("one").generation.say("a")
        fixture.session.announceStall()
        #expect(listener.stallCount == 1)
        #expect(watcher.stallCount == 0)
    }
}

private final class StallRecorder: Cursor {
    var isPausing = false
    private(set) var stallCount = 0
    override func deliver(_ event: SessionEvent) -> Demand { isPausing ? .pause : .more }
    override func storageStalled() { stallCount += 1 }
}

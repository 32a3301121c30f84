import JSON
import Sessions
import Testing

/// A disconnect is not a cancel: what becomes of a generation when the last one who listens is gone.
@Suite struct DisconnectTests {
    @Test func cancelStopsPayingAtOnce() throws {
        let fixture = Fixture()
        let listener = Recorder()
        try fixture.session.attach(listener, after: 0)
        let generation = try fixture.submit("hi", policy: .cancel).generation
        fixture.session.detach(listener)
        #expect(generation.status == .cancelled)
        #expect(fixture.model.calls[0].cancelCount == 1)
        #expect(fixture.recorder.json(.cancelled)[0]["reason"]?.string == "disconnect")
        checkInvariants(fixture)
    }

    @Test func aCursorThatDoesNotListenKeepsNothingAlive() throws {
        let fixture = Fixture()
        let watcher = Recorder(listens: false)
        try fixture.session.attach(watcher, after: 0)
        let generation = try fixture.submit("hi", policy: .cancel).generation
        fixture.session.detach(watcher)
        #expect(generation.isActive)
        #expect(!fixture.session.isFollowed)
    }

    @Test func itGoesOnWhileSomebodyListens() throws {
        let fixture = Fixture()
        let (one, two) = (Recorder(), Recorder())
        try fixture.session.attach(one, after: 0)
        try fixture.session.attach(two, after: 0)
        let generation = try fixture.submit("hi", policy: .cancel).generation
        fixture.session.detach(one)
        fixture.session.detach(one)
        #expect(generation.isActive)
        fixture.session.detach(two)
        #expect(generation.status == .cancelled)
    }

    @Test func continueGoesOn() throws {
        let fixture = Fixture()
        let listener = Recorder()
        try fixture.session.attach(listener, after: 0)
        let generation = try fixture.submit("hi", policy: .continuing).generation
        fixture.session.detach(listener)
        fixture.host.advance(by: .seconds(100_000))
        #expect(generation.isActive)
        generation.say("for those who come back")
        generation.finish(.stop)
        #expect(generation.status == .completed)
    }

    @Test func graceCancelsWhenNobodyComesBackInTime() throws {
        let fixture = Fixture()
        let listener = Recorder()
        try fixture.session.attach(listener, after: 0)
        let generation = try fixture.submit("hi", policy: .grace(.seconds(30))).generation
        fixture.session.detach(listener)
        fixture.host.advance(by: .seconds(29))
        #expect(generation.isActive)
        fixture.host.advance(by: .seconds(2))
        #expect(generation.status == .cancelled)
        checkInvariants(fixture)
    }

    @Test func whoComesBackWithinTheGraceFindsItRunning() throws {
        let fixture = Fixture()
        let listener = Recorder()
        try fixture.session.attach(listener, after: 0)
        let generation = try fixture.submit("hi", policy: .grace(.seconds(30))).generation
        fixture.session.detach(listener)
        fixture.host.advance(by: .seconds(20))
        generation.say("meanwhile")
        let watcher = Recorder(listens: false)
        try fixture.session.attach(watcher, after: 0)
        try fixture.session.attach(listener, after: listener.position)
        fixture.host.advance(by: .seconds(60))
        #expect(generation.isActive)
        #expect(fixture.host.pendingTimerCount == 0)
        #expect(listener.sequences == Array(1...fixture.session.log.lastPosition))
        // The grace begins anew.
        fixture.session.detach(listener)
        fixture.host.advance(by: .seconds(29))
        #expect(generation.isActive)
        fixture.host.advance(by: .seconds(1))
        #expect(generation.status == .cancelled)
    }

    @Test func aGraceIsThatOfItsOwnGeneration() throws {
        let fixture = Fixture()
        let listener = Recorder()
        try fixture.session.attach(listener, after: 0)
        let first = try fixture.submit("hi", policy: .grace(.seconds(30))).generation
        fixture.session.detach(listener)
        first.finish(.stop)
        let second = try fixture.submit("on", policy: .continuing).generation
        fixture.host.advance(by: .seconds(60))
        #expect(second.isActive)
    }

    @Test func eachGenerationGoesByItsOwnPolicy() throws {
        let fixture = Fixture(mode: .queue)
        let listener = Recorder()
        try fixture.session.attach(listener, after: 0)
        let running = try fixture.submit("0", policy: .continuing).generation
        let cheap = try fixture.submit("1", policy: .cancel).generation
        let patient = try fixture.submit("2", policy: .grace(.seconds(10))).generation
        let last = try fixture.submit("3", policy: .continuing).generation
        fixture.session.detach(listener)
        #expect(cheap.status == .cancelled)
        #expect([running.status, patient.status, last.status] == [.inProgress, .queued, .queued])
        fixture.host.advance(by: .seconds(11))
        #expect(patient.status == .cancelled)
        running.finish(.stop)
        #expect(fixture.session.active === last)
        checkInvariants(fixture)
    }

    @Test func noneOfThoseWhoWaitBeginsWhenAllAreCancelled() throws {
        let fixture = Fixture(mode: .queue)
        let listener = Recorder()
        try fixture.session.attach(listener, after: 0)
        for number in 0..<4 { try fixture.submit("\(number)", policy: .cancel) }
        fixture.session.detach(listener)
        #expect(fixture.session.generations.allSatisfy { $0.status == .cancelled })
        #expect(fixture.model.calls.count == 1)
        checkInvariants(fixture)
    }

    @Test func whoDetachesWithinADeliveryIsSettledAfterTheTurn() throws {
        let fixture = Fixture()
        let listener = Recorder()
        let after = Recorder(listens: false)
        try fixture.session.attach(listener, after: 0)
        try fixture.session.attach(after, after: 0)
        let session = fixture.session
        listener.whenDelivered = { [unowned listener] event in
            if event.kind == .outputTextDelta { session.detach(listener) }
        }
        let generation = try fixture.submit("hi", policy: .cancel).generation
        generation.say("x")
        #expect(listener.types.last == .outputTextDelta)
        #expect(generation.isActive)
        #expect(after.sequences == Array(1...session.log.lastPosition))
        fixture.host.advance(by: .zero)
        #expect(generation.status == .cancelled)
        #expect(session.cursorCount == 2)
        #expect(listener.types.last == .outputTextDelta)
        checkInvariants(fixture)
    }

    @Test func whoDetachesWithinADeliveryMayComeBackInTheSameTurn() throws {
        let fixture = Fixture()
        let listener = Recorder()
        try fixture.session.attach(listener, after: 0)
        let session = fixture.session
        listener.whenDelivered = { [unowned listener] event in
            if event.kind == .outputTextDelta { session.detach(listener) }
        }
        let generation = try fixture.submit("hi", policy: .cancel).generation
        generation.say("x")
        listener.whenDelivered = nil
        try session.attach(listener, after: listener.position)
        fixture.host.advance(by: .zero)
        #expect(generation.isActive)
        #expect(session.cursorCount == 2)
        generation.say("y")
        #expect(listener.sequences == Array(1...session.log.lastPosition))
    }

    @Test func policiesAreReadAndWritten() {
        #expect(DisconnectPolicy(text: "cancel") == .cancel)
        #expect(DisconnectPolicy(text: "continue") == .continuing)
        #expect(DisconnectPolicy(text: "grace=30") == .grace(.seconds(30)))
        for text in ["", "grace", "grace=", "grace=-1", "grace=1.5", "grace=86401", "grace=99999999999999999999", "Cancel"] {
            #expect(DisconnectPolicy(text: text) == nil, "\(text)")
        }
        for text in ["cancel", "continue", "grace=0", "grace=86400"] { #expect(DisconnectPolicy(text: text)?.text == text) }
    }
}

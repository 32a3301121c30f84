import JSON
import Sessions
import Testing

@Suite struct CursorTests {
    private func talk(_ fixture: Fixture, words: Int) throws {
        let generation = try fixture.submit("hi").generation
        for number in 0..<words { generation.say("word\(number) ") }
        generation.finish(.stop)
    }

    @Test func attachingAfterAnyNumberGivesTheRestOfTheLog() throws {
        let fixture = Fixture()
        try talk(fixture, words: 5)
        let last = fixture.session.log.lastPosition
        for start in 0...last {
            let cursor = Recorder()
            try fixture.session.attach(cursor, after: start)
            #expect(cursor.sequences == Array((start + 1)..<(last + 1)))
            #expect(cursor.snapshots.isEmpty)
            #expect(cursor.events.map(\.payload) == fixture.log.dropFirst(start).map(\.payload))
            fixture.session.detach(cursor)
        }
    }

    @Test func aPausedCursorIsServedFromTheLog() throws {
        let fixture = Fixture()
        let slow = Recorder()
        slow.credit = 2
        try fixture.session.attach(slow, after: 0)
        try talk(fixture, words: 5)
        #expect(slow.sequences == [1, 2])
        slow.credit = 3
        fixture.session.resume(slow)
        #expect(slow.sequences == [1, 2, 3, 4, 5])
        slow.credit = nil
        fixture.session.resume(slow)
        #expect(slow.sequences == Array(1...fixture.session.log.lastPosition))
        try fixture.submit("live again")
        #expect(slow.sequences == Array(1...fixture.session.log.lastPosition))
    }

    @Test func theStopIsToldOnceAndOnlyToWhoHasGotEverything() throws {
        let fixture = Fixture()
        let slow = Recorder()
        let quick = Recorder()
        slow.credit = 2
        try fixture.session.attach(slow, after: 0)
        try fixture.session.attach(quick, after: 0)
        try talk(fixture, words: 3)
        let last = fixture.session.log.lastPosition
        for _ in 0..<2 { fixture.session.announceStop() }
        #expect(quick.eventsAtStop == [last] && slow.eventsAtStop.isEmpty)
        slow.credit = nil
        fixture.session.resume(slow)
        for _ in 0..<2 { fixture.session.announceStop() }
        #expect(slow.eventsAtStop == [last])
    }

    @Test func eachEndOfAResponseIsToldToTheHostOnce() throws {
        let fixture = Fixture()
        try talk(fixture, words: 1)
        try fixture.submit("cut")
        try fixture.submit("cuts in")
        try fixture.session.cancel(by: nil)
        #expect(fixture.host.endings == ["completed", "incomplete", "cancelled"])
    }

    @Test func aCursorThatHadPausedAndLeftIsServedWhenItComesBack() throws {
        let fixture = Fixture()
        let cursor = Recorder()
        cursor.credit = 1
        try fixture.session.attach(cursor, after: 0)
        try talk(fixture, words: 2)
        fixture.session.detach(cursor)
        cursor.credit = nil
        try fixture.session.attach(cursor, after: cursor.position)
        #expect(cursor.sequences == Array(1...fixture.session.log.lastPosition))
    }

    @Test func aCursorWhosePlaceIsGoneGetsTheStateInItsPlace() throws {
        var limits = SessionLimits()
        limits.maxLogBytes = 8192
        let fixture = Fixture(limits: limits)
        let slow = Recorder()
        slow.credit = 1
        try fixture.session.attach(slow, after: 0)
        try talk(fixture, words: 1000)
        let generation = try fixture.submit("and").generation
        generation.say("half")
        let last = fixture.session.log.lastPosition
        #expect(fixture.session.log.oldestPosition > 1)
        #expect(fixture.session.log.byteCount <= 8192)

        slow.credit = nil
        fixture.session.resume(slow)
        // What stands on the page that it was on, it still reads.
        let read = slow.sequences.count
        #expect(slow.sequences == Array(1...read) && read < fixture.session.log.oldestPosition)
        #expect(slow.snapshots.map(\.sequence) == [last])
        let state = slow.snapshots[0].state
        #expect(state["last_sequence_number"]?.int == last)
        #expect(state["oldest_sequence_number"]?.int == fixture.session.log.oldestPosition)
        #expect(state["active_response"]?["id"]?.string == generation.id)
        let items = state["items"]?.array ?? []
        #expect(items.count == 4)
        #expect(items.last?["status"]?.string == "in_progress")
        #expect(items.last?["content"]?[0]?["text"]?.string == "half")
        generation.say(" more")
        #expect(slow.sequences.dropFirst(read) == [last + 1])

        let oldest = fixture.session.log.oldestPosition
        let (tooOld, justInTime, fromTheFuture) = (Recorder(), Recorder(), Recorder())
        try fixture.session.attach(tooOld, after: oldest - 2)
        try fixture.session.attach(justInTime, after: oldest - 1)
        try fixture.session.attach(fromTheFuture, after: 1_000_000)
        #expect(tooOld.snapshots.map(\.sequence) == [last + 1])
        #expect(justInTime.snapshots.isEmpty)
        #expect(justInTime.sequences == Array(oldest...(last + 1)))
        #expect(fromTheFuture.snapshots.map(\.sequence) == [last + 1])
        let negative = Recorder()
        try fixture.session.attach(negative, after: .min + 1)
        #expect(negative.snapshots.count == 1)
        generation.say("!")
        #expect([tooOld, fromTheFuture, negative].allSatisfy { $0.sequences == [last + 2] })
    }

    @Test func stateAndLogHaveNoSeam() throws {
        let fixture = Fixture()
        let generation = try fixture.submit("hi").generation
        generation.say("so ")
        let state = fixture.state
        let cursor = Recorder()
        generation.say("far")
        try fixture.session.attach(cursor, after: state["last_sequence_number"]?.int ?? -1)
        generation.finish(.stop)
        let before = state["items"]?[1]?["content"]?[0]?["text"]?.string ?? ""
        let after = cursor.json(.outputTextDelta).compactMap { $0["delta"]?.string }.joined()
        #expect(before + after == "so far")
    }

    @Test func asManyFollowAsMay() throws {
        var limits = SessionLimits()
        limits.maxCursors = 2
        let fixture = Fixture(limits: limits)
        let cursor = Recorder()
        try fixture.session.attach(cursor, after: 0)
        #expect(throws: SessionError.tooManyCursors(limit: 2)) { try fixture.session.attach(Recorder(), after: 0) }
        fixture.session.detach(cursor)
        try fixture.session.attach(Recorder(), after: 0)
    }

    @Test func theBudgetOfTheLogIsToldByteForByte() throws {
        var limits = SessionLimits()
        limits.maxLogBytes = 3000
        let fixture = Fixture(limits: limits)
        let before = fixture.session.byteCount
        nonisolated(unsafe) var change = 0
        fixture.session.onAppend = { change += $0 }
        try talk(fixture, words: 50)
        #expect(before + change == fixture.session.byteCount)
    }

    @Test func theNewestEventStaysWhateverItsSize() throws {
        var limits = SessionLimits()
        limits.maxLogBytes = 1
        let fixture = Fixture(limits: limits)
        try talk(fixture, words: 500)
        #expect(fixture.session.log.byteCount == LogPage.byteCount)
        #expect(fixture.session.log.oldestPosition > 1)
        #expect(fixture.recorder.sequences == Array(1...fixture.session.log.lastPosition))
    }

    @Test func identifiersAreLongAndDiffer() {
        let made = Set((0..<1000).map { _ in Identifier.make("resp_") })
        #expect(made.count == 1000)
        #expect(made.allSatisfy { $0.utf8.count == 29 && $0.hasPrefix("resp_") })
    }
}

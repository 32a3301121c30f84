import Bytes
import JSON
import Sessions
import Testing

/// Readers that commands attach.
@Suite struct FollowingTests {
    /// Before the first event of a response.
    private static let all = LogPosition(sequence: -1)

    private func answer(_ fixture: Fixture, _ text: String) throws -> Generation {
        let generation = try fixture.submit(text, mode: .queue).generation
        generation.say("a")
        generation.finish(.stop)
        return generation
    }

    private func follow(_ fixture: Fixture, _ follow: SessionCommand.Follow, _ reader: Recorder) -> SessionOutcome {
        fixture.session.handle(SessionCommand(.follow(follow)), following: reader)
    }

    @Test func aReaderGoesOnBehindAPosition() throws {
        let fixture = Fixture()
        _ = try answer(fixture, "one")
        let reader = Recorder()
        #expect(follow(fixture, .after(LogPosition(sequence: 2)), reader) == .following(.begun))
        #expect(reader.sequences == Array(3...fixture.session.log.lastPosition))
    }

    @Test func aResponseIsReadFromItsFirstEvent() throws {
        let fixture = Fixture()
        _ = try answer(fixture, "one")
        let second = try answer(fixture, "two")
        let reader = Recorder()
        #expect(follow(fixture, .response(id: second.id, after: Self.all), reader) == .following(.begun))
        #expect(reader.sequences.first == second.firstSequence)
        // A client that has seen the end has seen all.
        let late = Recorder()
        let end = LogPosition(sequence: second.eventCount - 1)
        #expect(follow(fixture, .response(id: second.id, after: end), late) == .following(.ended))
        #expect(!late.isFollowing && late.events.isEmpty)
        let beyond = LogPosition(sequence: second.eventCount)
        #expect(
            follow(fixture, .response(id: second.id, after: beyond), late) == .refused(.eventsExpired(responseID: second.id)))
        #expect(follow(fixture, .response(id: "resp_9", after: Self.all), late) == .refused(.responseNotFound("resp_9")))
    }

    @Test func theEndOfAResponseIsWaitedForUnlessItIsThere() throws {
        let fixture = Fixture()
        let generation = try fixture.submit("one").generation
        generation.say("a")
        let reader = Recorder()
        #expect(follow(fixture, .endOfResponse(id: generation.id), reader) == .following(.begun))
        #expect(reader.events.isEmpty)
        generation.finish(.stop)
        #expect(reader.types.last == .responseCompleted)
        let late = Recorder()
        let standing = try follow(fixture, .endOfResponse(id: generation.id), late).response()
        #expect(standing.object != nil && !late.isFollowing)
    }

    /// Numbers at the ends of what a client can send. The log has dropped what the response began with.
    @Test(arguments: [Int.max, .max - 1, 1 << 62]) func aNumberThatNoEventHasLosesNoEvent(_ number: Int) throws {
        var limits = SessionLimits()
        limits.maxLogBytes = 8192
        let fixture = Fixture(limits: limits)
        let generation = try fixture.submit("one").generation
        for _ in 0..<2000 { generation.say("some words ") }
        #expect(fixture.session.log.oldestPosition > generation.firstSequence ?? .max)
        let waiting = Recorder()
        let position = LogPosition(sequence: number)
        #expect(follow(fixture, .response(id: generation.id, after: position), waiting) == .following(.begun))
        generation.say("more")
        generation.finish(.stop)
        #expect(waiting.types.last == .responseCompleted && waiting.isFollowing)
        #expect(
            follow(fixture, .response(id: generation.id, after: position), Recorder())
                == .refused(.eventsExpired(responseID: generation.id)))

        // A position that the log never had is answered as one that it has dropped.
        let reader = Recorder()
        #expect(follow(fixture, .after(position), reader) == .following(.begun))
        #expect(reader.snapshots.map(\.sequence) == [fixture.session.log.lastPosition] && reader.events.isEmpty)
        _ = try answer(fixture, "two")
        #expect(reader.position == fixture.session.log.lastPosition)
        fixture.session.readEvents(after: position, limit: .max, mergesDeltas: true) { read in
            if case .events = read { Issue.record("events behind the end") }
        }
        let epoch = LogPosition(epoch: number, sequence: number)
        #expect(
            follow(fixture, .response(id: generation.id, after: epoch), Recorder())
                == .refused(.eventsExpired(responseID: generation.id)))
        let lost = Recorder()
        #expect(follow(fixture, .after(epoch), lost) == .following(.begun) && lost.snapshots.count == 1)
    }

    /// A connection has each event from one of its readers: of a join, those behind the position in its outcome.
    @Test(arguments: [0, 1, 3, Int.max - 7, .max], [false, true])
    func allThatAJoinDeliversIsBehindThePositionInItsOutcome(_ beyond: Int, isOfAnotherEpoch: Bool) throws {
        let fixture = Fixture()
        _ = try answer(fixture, "one")
        let end = fixture.session.log.lastPosition
        let start = LogPosition(epoch: isOfAnotherEpoch ? 3 : 0, sequence: end.saturatingAdding(beyond))
        let reader = Recorder()
        let join = SessionCommand(.join(SessionCommand.Join(participant: nil, after: start)))
        let after = try fixture.session.handle(join, following: reader).joined().after
        _ = try answer(fixture, "two")
        #expect(reader.snapshots.count == (beyond > 0 || isOfAnotherEpoch ? 1 : 0))
        #expect(reader.sequences == Array((end + 1)...fixture.session.log.lastPosition))
        #expect(reader.sequences.allSatisfy { $0 > after.sequence }, "another reader would deliver them, too")
    }

    @Test func moreReadersThanMayAreRefused() {
        var limits = SessionLimits()
        limits.maxCursors = 1
        let fixture = Fixture(limits: limits)
        #expect(follow(fixture, .after(.start), Recorder()) == .refused(.tooManyCursors(limit: 1)))
    }

    @Test func aParticipantJoinsReadsAndLeaves() throws {
        let fixture = Fixture()
        let ann = Participant(name: "Ann")
        let reader = Recorder()
        let join = SessionCommand(.join(SessionCommand.Join(participant: ann, after: nil)))
        let outcome = fixture.session.handle(join, following: reader)
        // Its own joining is the first event behind the state that it was given.
        let state = try outcome.joined().standing.state
        #expect(state.lastPosition.sequence + 1 == reader.sequences.first && reader.types == [.participantJoined])
        #expect(fixture.session.handle(SessionCommand(.leave(ann))) == .done)
        #expect(fixture.session.participants.isEmpty && reader.types == [.participantJoined, .participantLeft])
    }

    @Test func aJoinThatIsWithdrawnLeaves() {
        let fixture = Fixture()
        let join = SessionCommand(.join(SessionCommand.Join(participant: Participant(name: "Ann"), after: nil)))
        let outcome = fixture.session.handle(join, following: Recorder())
        fixture.session.withdraw(join, outcome)
        #expect(fixture.session.participants.isEmpty)
    }

    @Test func aJoinThatIsRefusedReadsNothing() {
        var limits = SessionLimits()
        limits.maxParticipants = 0
        let fixture = Fixture(limits: limits)
        let reader = Recorder()
        let join = SessionCommand(.join(SessionCommand.Join(participant: Participant(name: "Ann"), after: nil)))
        #expect(fixture.session.handle(join, following: reader) == .refused(.tooManyParticipants(limit: 0)))
        #expect(!reader.isFollowing)
    }

    @Test func pagesOfEventsHaveNoGap() throws {
        let fixture = Fixture()
        for text in ["one", "two"] { _ = try answer(fixture, text) }
        var sequences: [Int] = []
        var position = LogPosition.start
        var hasMore = true
        while hasMore {
            fixture.session.readEvents(after: position, limit: 3, mergesDeltas: false) { read in
                guard case .events(let events, let upTo, let more) = read else {
                    Issue.record("no events")
                    return
                }
                #expect(events.count <= 3)
                sequences += events.map(\.position)
                position = upTo
                hasMore = more
            }
        }
        #expect(sequences == Array(1...fixture.session.log.lastPosition))
    }
}

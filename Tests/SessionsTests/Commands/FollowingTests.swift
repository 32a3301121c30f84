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

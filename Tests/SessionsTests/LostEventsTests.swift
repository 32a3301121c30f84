import ResponsesWire
import Testing

@testable import Sessions

/// A session whose log may have lost its newest events: what readers get who have seen them, and who have not.
@Suite struct LostEventsTests {
    private let host = FakeHost()
    private let session: Session
    /// Events that are left.
    private let count: Int

    init() throws {
        let log = KeepingLog()
        let before = Session(owner: "me", host: host, defaults: ResponseParameters(model: "m"), policy: .continuing, log: log)
        _ = try before.submit(
            Input(items: [.userMessage("hi")], mode: nil, parameters: before.defaults, policy: .continuing))
        before.active?.say("one")
        count = log.lastPosition
        before.unload()
        session = try log.restart(on: host, epochs: LogEpochs([LogEpochs.Start(epoch: 2, sequence: count + 1)]))
        // More than what a client may have seen of what is lost.
        for _ in 0..<10 { session.active?.say("two") }
    }

    private func attach(_ reader: Recorder, after position: LogPosition) throws {
        try session.attach(reader, after: session.log.sequence(of: position))
    }

    @Test func whatComesAfterwardsIsOfTheNewEpoch() throws {
        let epochs = session.log.events.map(\.logPosition.epoch)
        #expect(epochs == Array(repeating: 0, count: count) + Array(repeating: 2, count: session.log.lastPosition - count))
        #expect(session.log.events.map(\.position) == Array(1...session.log.lastPosition))
        #expect(session.log.end == LogPosition(epoch: 2, sequence: session.log.lastPosition))
        #expect(session.state.lastPosition == session.log.end)
    }

    @Test func aReaderOfWhatIsLeftGoesOn() throws {
        for position in [LogPosition.start, LogPosition(sequence: count - 1), LogPosition(sequence: count)] {
            let reader = Recorder()
            try attach(reader, after: position)
            #expect(reader.sequences == Array((position.sequence + 1)...session.log.lastPosition))
            #expect(reader.snapshots.isEmpty)
        }
    }

    @Test(arguments: [1, 3]) func aReaderOfWhatIsLostIsToldSo(_ ahead: Int) throws {
        #expect(count + ahead < session.log.lastPosition, "the number alone would be one of the log's")
        let reader = Recorder()
        try attach(reader, after: LogPosition(sequence: count + ahead))
        #expect(reader.snapshots.map(\.sequence) == [session.log.lastPosition] && reader.events.isEmpty)
        session.active?.say("three")
        #expect(reader.sequences == [session.log.lastPosition])

        let lossless = Recorder(catchUp: .losslessOrClose)
        try attach(lossless, after: LogPosition(sequence: count + ahead))
        #expect(lossless.placeGoneCount == 1 && lossless.events.isEmpty && lossless.snapshots.isEmpty)
    }

    @Test func aReaderOfAnEpochThatIsNoneOfTheLogsIsToldSo() throws {
        for epoch in [1, 3] {
            let reader = Recorder()
            try attach(reader, after: LogPosition(epoch: epoch, sequence: 1))
            #expect(reader.snapshots.count == 1 && reader.events.isEmpty)
        }
    }

    @Test func aReaderOfTheNewEpochGoesOn() throws {
        let reader = Recorder()
        try attach(reader, after: LogPosition(epoch: 2, sequence: count + 3))
        #expect(reader.sequences == Array((count + 4)...session.log.lastPosition) && reader.snapshots.isEmpty)
    }

    // MARK: By commands

    private func perform(_ kind: SessionCommand.Kind, _ reader: Recorder) -> SessionOutcome {
        session.handle(SessionCommand(kind), following: reader)
    }

    @Test func aReaderOfAResponseThatWasCutIsChecked() throws {
        let response = try #require(session.active)
        func follow(_ epoch: Int, _ sequence: Int, _ reader: Recorder = Recorder()) -> SessionOutcome {
            perform(.follow(.response(id: response.id, after: LogPosition(epoch: epoch, sequence: sequence))), reader)
        }
        let expired = SessionOutcome.refused(.eventsExpired(responseID: response.id))
        #expect(follow(0, -1) == .following(.begun))
        let reader = Recorder()
        #expect(follow(0, 0, reader) == .following(.unverified) && follow(2, response.eventCount - 1) == .following(.unverified))
        #expect(reader.sequences.first == response.firstSequence)
        let late = Recorder()
        for epoch in [1, 3] { #expect(follow(epoch, 0, late) == expired) }
        for epoch in [0, 2] { #expect(follow(epoch, response.eventCount, late) == expired) }
        #expect(!late.isFollowing)
        // Also its end may be another than the one that the client has seen.
        response.finish(.stop)
        #expect(follow(0, response.eventCount - 1) == .following(.unverified))
    }

    @Test func aResponseOfTheNewEpochEndsAsEver() throws {
        session.active?.finish(.stop)
        let response = try session.submit(
            Input(items: [.userMessage("on")], mode: nil, parameters: session.defaults, policy: .continuing)
        ).generation
        response.finish(.stop)
        let end = LogPosition(epoch: 2, sequence: response.eventCount - 1)
        #expect(perform(.follow(.response(id: response.id, after: end)), Recorder()) == .following(.ended))
    }

    @Test func aJoinAfterWhatIsLostCoversAllThatComes() throws {
        func join(_ position: LogPosition?) throws -> LogPosition {
            let reader = Recorder()
            let (standing, after) = try perform(.join(SessionCommand.Join(participant: nil, after: position)), reader).joined()
            #expect(standing.state.lastPosition == session.log.end)
            #expect(reader.snapshots.count == (after == .start ? 1 : 0))
            return after
        }
        #expect(try join(nil) == session.log.end)
        #expect(try join(LogPosition(sequence: count + 1)) == .start && join(LogPosition(epoch: 1, sequence: 1)) == .start)
        // An event that is left is named by the epoch that it is of.
        #expect(try join(LogPosition(epoch: 2, sequence: count)) == LogPosition(sequence: count))
    }

    @Test func pagesAndOutcomesTellTheEpoch() throws {
        var page: EventRead?
        session.readEvents(after: LogPosition(sequence: count), limit: 2, mergesDeltas: false) { page = $0 }
        guard case .events(let events, upTo: LogPosition(epoch: 2, sequence: count + 2), hasMore: true)? = page else {
            Issue.record("\(String(describing: page))")
            return
        }
        #expect(events.count == 2)
        session.readEvents(after: LogPosition(sequence: count + 1), limit: 2, mergesDeltas: false) { page = $0 }
        if case .state(let state)? = page { #expect(state.lastPosition == session.log.end) } else { Issue.record("no state") }

        let response = try perform(.readResponse(id: #require(session.active).id, withObject: false), Recorder()).response()
        #expect(response.lastPosition == session.log.end && response.epoch == 2)
        #expect(response.precedingPosition.epoch == 0)
        #expect(try perform(.readSummary, Recorder()).summary().lastPosition == session.log.end)
        let submit = SessionCommand.Submit(
            NewItems([.userMessage("on")]), responseID: "resp_9", parameters: .whole(session.defaults))
        let accepted = try perform(.submit(submit), Recorder()).accepted()
        #expect(accepted.position.epoch == 2 && accepted.position.sequence > count)
    }

    @Test func joinedDeltasHaveTheEpochOfTheLast() throws {
        let merged = DeltaRun.merged(session.log.events)
        let last = try #require(merged.last)
        #expect(last.mergedFrom != nil && last.logPosition == session.log.end)
    }
}

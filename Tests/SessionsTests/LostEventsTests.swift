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

    @Test func joinedDeltasHaveTheEpochOfTheLast() throws {
        let merged = DeltaRun.merged(session.log.events)
        let last = try #require(merged.last)
        #expect(last.mergedFrom != nil && last.logPosition == session.log.end)
    }
}

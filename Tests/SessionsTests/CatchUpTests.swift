import JSON
import Sessions
import Testing
import ToldSession

/// What a reader that lags gets, by its policy.
@Suite struct CatchUpTests {
    private static let merging = CatchUp(whenPlaceIsGone: .snapshot, mergesDeltas: true)

    private func limited(toLogBytes byteCount: Int) -> SessionLimits {
        var limits = SessionLimits()
        limits.maxLogBytes = byteCount
        return limits
    }

    // MARK: Snapshots made off the loop

    /// Its events are gone, and its state is large.
    private func largeFixture() throws -> Fixture {
        let fixture = Fixture(limits: limited(toLogBytes: 64 << 10))
        try fixture.session.add([.userMessage(String(repeating: "x", count: 100_000))])
        try fixture.submit("hi").generation.say("one")
        fixture.host.holdsCompute = true
        return fixture
    }

    @Test func whatIsSaidWhileASnapshotIsEncodedComesBehindIt() throws {
        let fixture = try largeFixture()
        let reader = Recorder()
        try fixture.session.attach(reader, after: 0)
        let sequence = fixture.session.log.lastPosition
        fixture.session.active?.say("two")
        fixture.session.announceStop()
        #expect(reader.snapshots.isEmpty && reader.events.isEmpty && reader.eventsAtStop.isEmpty)
        fixture.host.runComputed()
        #expect(reader.snapshots.map(\.sequence) == [sequence])
        #expect(reader.sequences == [sequence + 1])
        fixture.session.active?.say("three")
        #expect(reader.sequences == [sequence + 1, sequence + 2])
    }

    @Test func aReaderThatLeavesWhileItsSnapshotIsEncodedGetsNone() throws {
        let fixture = try largeFixture()
        let reader = Recorder()
        try fixture.session.attach(reader, after: 0)
        fixture.session.detach(reader)
        fixture.host.runComputed()
        #expect(reader.snapshots.isEmpty && reader.events.isEmpty)
    }

    @Test func aStateIsLargeAlsoByWhatIsBeingSaid() throws {
        let fixture = Fixture()
        let generation = try fixture.submit("hi").generation
        #expect(!fixture.session.state.isLarge)
        generation.say(String(repeating: "x", count: 100_000))
        #expect(fixture.session.state.isLarge)
    }

    // MARK: Merge deltas

    @Test func deltasThatWaitComeAsOneEvent() throws {
        let fixture = Fixture()
        let slow = Recorder(catchUp: Self.merging)
        slow.credit = 1
        try fixture.session.attach(slow, after: fixture.session.log.lastPosition)
        let generation = try fixture.submit("hi").generation
        for word in ["one ", "two ", "\\\"three\\\" ", "\\ud83d\\ude00", "!"] { generation.say(word) }
        let last = fixture.session.log.lastPosition
        slow.credit = nil
        fixture.session.resume(slow)

        let merged = try #require(slow.events.last)
        #expect(merged.position == last)
        #expect(merged.mergedFrom == last - 4)
        #expect(merged.json["delta"]?.string == "one two \"three\" 😀!")
        #expect(merged.json["sequence_number"]?.int == merged.responseSequence)
        #expect(merged.json["logprobs"]?.array?.isEmpty == true)
        #expect(merged.text == "one two \"three\" 😀!")
        #expect(fixture.host.applied == [.mergeDeltas: 4])
        // It has caught up: what comes now comes as it is.
        generation.say("five")
        #expect(slow.events.last?.mergedFrom == nil)
        #expect(slow.events.last?.payload == fixture.log.last?.payload)
    }

    @Test func onlyDeltasOfOneItemAndKindAreJoined() throws {
        let fixture = Fixture()
        let generation = try fixture.submit("hi").generation
        for text in ["a", "b"] { generation.think(text) }
        for text in ["c", "d"] { generation.say(text) }
        generation.toolCall(index: 0, callID: "", name: "f")
        generation.toolCall(index: 1, callID: "", name: "g")
        for (index, text) in [(0, "{"), (0, "}"), (1, "["), (0, " "), (1, "]")] { generation.argue(index, text) }
        generation.finish(.toolCalls)
        let reader = Recorder(catchUp: Self.merging)
        try fixture.session.attach(reader, after: 0)
        #expect(reader.json(.reasoningTextDelta).compactMap { $0["delta"]?.string } == ["ab"])
        #expect(reader.json(.outputTextDelta).compactMap { $0["delta"]?.string } == ["cd"])
        #expect(reader.json(.functionCallArgumentsDelta).compactMap { $0["delta"]?.string } == ["{}", "[", " ", "]"])
        let others = fixture.log.filter { !$0.kind.isDelta }.map(\.payload)
        #expect(reader.events.filter { !$0.kind.isDelta }.map(\.payload) == others)
    }

    @Test func oneEventHasSixteenKiBOfTextAtMost() throws {
        let fixture = Fixture()
        let generation = try fixture.submit("hi").generation
        let piece = String(repeating: "x", count: 1000)
        for _ in 0..<40 { generation.say(piece) }
        generation.say(String(repeating: "y", count: 100_000))
        let reader = Recorder(catchUp: Self.merging)
        try fixture.session.attach(reader, after: 0)
        #expect(reader.events.filter { $0.kind == .outputTextDelta }.map(\.text.utf8.count) == [16_000, 16_000, 8000, 100_000])
    }

    @Test func readersThatDoNotAskGetEachDelta() throws {
        let fixture = Fixture()
        let generation = try fixture.submit("hi").generation
        for _ in 0..<9 { generation.say("x") }
        for catchUp in [CatchUp.losslessOrClose, .snapshot] {
            let reader = Recorder(catchUp: catchUp)
            try fixture.session.attach(reader, after: 0)
            #expect(reader.sequences == Array(1...fixture.session.log.lastPosition))
        }
    }

    /// Random histories and random pauses: the text is the same, the order is kept, and each number is covered once.
    @Test(arguments: 0..<24) func nothingIsLostByMerging(_ seed: Int) throws {
        var random = SplitMix64(seed: UInt64(seed))
        let fixture = Fixture(mode: .interrupt)
        let readers = (0..<4).map { _ in Recorder(catchUp: Self.merging) }
        for reader in readers { try fixture.session.attach(reader, after: 0) }
        for step in 0..<400 {
            switch Int.random(in: 0..<16, using: &random) {
            case 0: try fixture.submit("input \(step)")
            case 1...8: fixture.session.active?.say(["a", "\\n", "\\ud83d", "ü"][Int.random(in: 0..<4, using: &random)])
            case 9: fixture.session.active?.think("t")
            case 10: fixture.session.active?.finish(.stop)
            case 11: _ = try? fixture.session.cancel(by: nil)
            default:
                let reader = readers[Int.random(in: 0..<4, using: &random)]
                reader.credit = Bool.random(using: &random) ? Int.random(in: 1..<4, using: &random) : nil
                fixture.session.resume(reader)
            }
        }
        let log = fixture.log
        let payloads = log.map { $0.kind.isDelta ? [] : $0.payload }
        for (number, reader) in readers.enumerated() {
            reader.credit = nil
            fixture.session.resume(reader)
            var position = 0
            var texts: [String: [UInt8]] = [:]
            for event in reader.events {
                #expect((event.mergedFrom ?? event.position) == position + 1, "seed \(seed), reader \(number)")
                if let first = event.mergedFrom { #expect(first < event.position && event.kind.isDelta) }
                position = event.position
                if event.kind.isDelta {
                    texts["\(event.response?.id ?? "") \(event.outputIndex)", default: []] += Array(event.text.utf8)
                } else {
                    #expect(event.payload == payloads[event.position - 1])
                }
            }
            #expect(position == fixture.session.log.lastPosition, "seed \(seed), reader \(number)")
            var whole: [String: [UInt8]] = [:]
            for event in log where event.kind.isDelta {
                whole["\(event.response?.id ?? "") \(event.outputIndex)", default: []] += Array(event.text.utf8)
            }
            #expect(texts == whole, "seed \(seed), reader \(number)")
        }
    }

    /// What ends an answer is never more than the deltas that it depends on away.
    @Test func theEndOfAnAnswerDoesNotWaitBehindBulk() throws {
        let fixture = Fixture()
        let slow = Recorder(catchUp: Self.merging)
        slow.credit = 1
        try fixture.session.attach(slow, after: fixture.session.log.lastPosition)
        let generation = try fixture.submit("hi").generation
        for _ in 0..<5000 { generation.say("ab ") }
        try fixture.session.cancel(by: nil)
        slow.credit = nil
        fixture.session.resume(slow)
        let deltas = slow.events.filter { $0.kind == .outputTextDelta }
        #expect(deltas.count == 1)
        #expect(slow.events.suffix(2).map(\.kind) == [.responseCancelled, .cancelled])
    }

    // MARK: Lossless or close

    @Test func aReaderWithoutSnapshotsIsClosedWhenItsPlaceIsGone() throws {
        let fixture = Fixture(limits: limited(toLogBytes: 8192))
        let reader = Recorder(catchUp: .losslessOrClose)
        reader.credit = 1
        try fixture.session.attach(reader, after: 0)
        let generation = try fixture.submit("hi").generation
        for _ in 0..<1000 { generation.say("word ") }
        #expect(reader.placeGoneCount == 0)
        reader.credit = nil
        fixture.session.resume(reader)
        // What stands on the page that it was on, it still reads.
        let read = reader.sequences
        let lost = fixture.session.log.oldestPosition - 1 - read.count
        #expect(read == Array(1...read.count) && lost > 0)
        #expect(reader.placeGoneCount == 1)
        #expect(reader.snapshots.isEmpty)
        #expect(!reader.isFollowing)
        #expect(fixture.host.applied == [.losslessOrClose: lost])
        generation.say("more")
        fixture.session.resume(reader)
        #expect(reader.sequences == read)
        #expect(reader.placeGoneCount == 1)
    }

    /// A reader that is closed listens no more: the disconnect policy counts it as gone.
    @Test func theLastReaderThatIsClosedCountsAsGone() throws {
        let fixture = Fixture(limits: limited(toLogBytes: 8192))
        let reader = Recorder(catchUp: .losslessOrClose)
        reader.credit = 1
        try fixture.session.attach(reader, after: 0)
        let generation = try fixture.submit("hi", policy: .cancel).generation
        for _ in 0..<1000 { generation.say("word ") }
        reader.credit = nil
        fixture.session.resume(reader)
        #expect(generation.status == .cancelled)
    }

    // MARK: Snapshot

    @Test func aReaderWithSnapshotsGetsTheStateAndWhatFollows() throws {
        let fixture = Fixture(limits: limited(toLogBytes: 8192))
        let reader = Recorder(catchUp: .snapshot)
        reader.credit = 1
        try fixture.session.attach(reader, after: 0)
        let generation = try fixture.submit("hi").generation
        for _ in 0..<1000 { generation.say("word ") }
        let last = fixture.session.log.lastPosition
        reader.credit = nil
        fixture.session.resume(reader)
        let read = reader.sequences
        let lost = fixture.session.log.oldestPosition - 1 - read.count
        #expect(read == Array(1...read.count) && lost > 0)
        #expect(reader.snapshots.map(\.sequence) == [last])
        #expect(fixture.host.applied == [.snapshot: lost])
        generation.say("more")
        #expect(reader.sequences == read + [last + 1])
    }
}

import Bytes
import JSON
import ResponsesWire
import Testing
import ToldSession

@testable import Sessions

/// The log's pages: what they cost, what they stand, and that the same bytes say the same wherever they came from.
@Suite struct LogPageTests {
    private let header = ResponseHeader("resp_1", sessionID: "sess_1", ordinal: 1)
    private let item = ResponseItem(id: "msg_1", index: 0, kind: .message)

    private func body(_ text: String) -> ByteBuffer {
        var body = ByteBuffer()
        body.append(SessionEvent.TextForm.plain.rawValue)
        body.append(varint: 0)
        body.append(Array(text.utf8))
        return body
    }

    @discardableResult
    private func say(_ text: String, to log: SessionLog) -> SessionEvent {
        let body = body(text)
        return log.append(.outputTextDelta, header, responseSequence: log.lastPosition, item, body: body.bytes)
    }

    /// An encoded event, of any kind.
    private func encoded(kind: UInt8, _ rest: [UInt8] = [0]) -> [UInt8] {
        var bytes = ByteBuffer()
        bytes.append(varint: 1 + rest.count)
        bytes.append(kind)
        bytes.append(rest)
        return bytes.array
    }

    private func stored(_ bytes: [UInt8], count: Int, from first: Int = 1) throws -> LogPage {
        try bytes.withUnsafeBytes { bytes throws(MalformedEvent) in
            try LogPage(firstPosition: first, stored: bytes, count: count)
        }
    }

    private func text(_ event: SessionEvent) -> String { event.withText { text, _ in String(decoding: text, as: UTF8.self) } }

    // MARK: What they cost

    /// Issue 10: at most 64 bytes in memory for an 11-byte delta.
    @Test func aShortDeltaCostsAtMost64Bytes() throws {
        var limits = SessionLimits()
        limits.maxLogBytes = 1 << 30
        let fixture = Fixture(limits: limits)
        let generation = try fixture.submit("hi").generation
        generation.say("x")
        let before = fixture.session.log.byteCount
        for _ in 0..<10_000 { generation.say("eleven byte") }
        let perDelta = Double(fixture.session.log.byteCount - before) / 10_000
        #expect(perDelta <= 64, "\(perDelta) bytes")
        #expect(fixture.log.count > 10_000)
    }

    // MARK: What they stand

    @Test func anUnknownKindIsSkipped() throws {
        let delta = say("known", to: SessionLog(maxByteCount: .max)).withEncoded { Array($0) }
        let unknown = encoded(kind: 250)
        // At the beginning, in the middle, twice, and at the end.
        let bytes = unknown + delta + unknown + unknown + delta + unknown
        let page = try stored(bytes, count: 6, from: 11)
        page.resolve { $0 == 1 ? header : nil }
        #expect([page].events(after: 10, upTo: .max).map(\.position) == [12, 15])
        #expect([page].events(after: 12, upTo: .max).map(\.position) == [15])

        var run = PageRun(page)
        #expect(run.next()?.position == 12)
        #expect(run.next()?.position == 15)
        #expect(run.next() == nil && run.isEmpty)

        let log = SessionLog(maxByteCount: .max, pages: [page], lastPosition: 16, endOffset: bytes.count)
        var place = log.place(after: 10)
        #expect(log.next(&place)?.position == 12)
        #expect(log.next(&place)?.position == 15)
        #expect(log.next(&place) == nil && place.position == 16)
        say("later", to: log)
        #expect(log.next(&place).map(text) == "later")
        #expect(log.event(after: 12)?.position == 15)
    }

    /// As after a return to an older version: a reader goes on behind them, and gets no snapshot and no end.
    @Test func aReaderPassesUnknownKindsAtTheEndOfALog() throws {
        let log = KeepingLog()
        let host = FakeHost()
        let first = Session(owner: "me", host: host, defaults: ResponseParameters(model: "m"), log: log)
        log.keep(encoded: encoded(kind: 250))
        first.unload()
        let session = try log.restart(on: host)
        let reader = Recorder()
        try session.attach(reader, after: 0)
        #expect(reader.sequences == [1] && reader.position == 2)
        _ = try session.submit(
            Input(items: [.userMessage("hi")], mode: nil, parameters: session.defaults, policy: .continuing))
        #expect(reader.sequences.prefix(3) == [1, 3, 4] && reader.snapshots.isEmpty && reader.placeGoneCount == 0)
    }

    /// Whatever stands in a file: what is no page is refused, and what is one can be read to its end.
    @Test(arguments: 0..<50 as Range<UInt64>) func hostileBytesAreRefusedOrRead(_ seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let told = ToldSession()
        try told.tellEverything()
        let good = told.log.appendedEvents.map { event in event.withEncoded { Array($0) } }
        for _ in 0..<100 {
            var bytes = good.shuffled(using: &random).prefix(Int.random(in: 1...8, using: &random)).flatMap { $0 }
            switch Int.random(in: 0..<6, using: &random) {
            case 0: bytes = (0..<Int.random(in: 0...200, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
            case 1: bytes.removeLast(Int.random(in: 0...bytes.count, using: &random))
            case 2: bytes.removeFirst(Int.random(in: 0...bytes.count, using: &random))
            case 3:
                // A number that is huge, or has no end.
                let place = Int.random(in: 0...bytes.count, using: &random)
                let last: UInt8 = Bool.random(using: &random) ? 0x7F : 0xFF
                bytes.insert(contentsOf: Array(repeating: 0xFF, count: Int.random(in: 1...9, using: &random)) + [last], at: place)
            case 4:
                for _ in 0..<Int.random(in: 1...10, using: &random) {
                    bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
                }
            default:
                // A frame that is right round contents that are not.
                let rest = (0..<Int.random(in: 1...60, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
                let kind = EventKind.allCases.randomElement(using: &random)?.rawValue ?? 0
                bytes = encoded(kind: kind, Bool.random(using: &random) ? [1, 2, 1] + rest : [0] + rest)
            }
            try readAll(bytes, "seed \(seed)", &random)
        }
    }

    private func readAll(_ bytes: [UInt8], _ hint: Comment, _ random: inout SplitMix64) throws {
        var count = 0
        let isWhole = bytes.withUnsafeBytes { bytes in
            var position = 0
            while position < bytes.count {
                guard let event = try? EncodedEvent(bytes, at: position) else { return false }
                // Nothing outside of the bytes, and always forward.
                #expect(event.end > position && event.end <= bytes.count && event.body.lowerBound <= event.end, hint)
                position = event.end
                count += 1
            }
            return count > 0
        }
        let first = [1, 7, 1 << 52, Int.max - count].randomElement(using: &random) ?? 1
        guard isWhole else {
            #expect(throws: MalformedEvent.self, hint) { try stored(bytes, count: max(1, count), from: first) }
            return
        }
        for wrong in [(0, first), (count + 1, first), (count, 0), (count, -1), (count, .max - count + 1)] {
            #expect(throws: MalformedEvent.self, hint) { try stored(bytes, count: wrong.0, from: wrong.1) }
        }
        let page = try stored(bytes, count: count, from: first)
        let ended = ResponseHeader(
            GenerationRecord(
                id: "resp_2", ordinal: 2, createdAt: 1, completedAt: 2, parameters: ResponseParameters(model: "m"),
                previousResponseID: nil, policy: .continuing, input: [], output: [.userMessage("x")], status: .completed,
                usage: nil,
                deltaCount: 0, conversationItemCount: nil, firstSequence: 1, eventCount: 1, continuesLastMessage: false,
                route: ResponseRoute()), sessionID: "sess_1")
        if Bool.random(using: &random) { page.resolve { $0 == 1 ? header : $0 == 2 ? ended : nil } }
        let log = SessionLog(maxByteCount: .max, pages: [page], lastPosition: page.lastPosition, endOffset: bytes.count)
        var output = ByteBuffer()
        for event in log.events {
            #expect(event.position >= first && event.position <= page.lastPosition, hint)
            // Every question that an encoder may ask, of every event.
            ResponsesEncoder.append(event, to: &output)
            _ = (event.withText { text, _ in text.count }, event.textOffset, event.withJSON { $0.count }, event.participant)
            _ = (event.acceptedInput, event.cancellation, event.removal, event.steer, event.failure, event.verdict)
            _ = (event.announced, event.hasProviderData, event.closing, ResponseState(beginning: event), event.encodedByteCount)
            #expect(log.event(after: event.position - 1)?.position == event.position, hint)
            output.clear()
        }
        _ = DeltaRun.merged(log.events)
        _ = log.byteOffset(of: first)
        var records = ReplayedItems(ResponseHeader("resp_3", sessionID: "sess_1", ordinal: 3), .telling(.completed))
        for event in log.events { try? records.take(event) }
    }

    // MARK: Places and eviction

    @Test(arguments: [1, 2]) func aPlaceSurvivesTheEvictionOfItsPage(_ evictedCount: Int) {
        let log = SessionLog(maxByteCount: 3 * LogPage.byteCount)
        var place = log.place(after: 0)
        let first = say("0", to: log)
        #expect(log.next(&place).map(text) == "0")
        // Where the pages that are dropped end.
        var ends: [Int] = []
        while ends.count < evictedCount {
            let oldest = log.oldestPosition
            say("\(log.lastPosition)", to: log)
            if log.oldestPosition > oldest { ends.append(log.oldestPosition - 1) }
        }
        #expect(!log.holdsAll(after: 0))
        // What its page holds it reads still, and what follows only if the log has it.
        var read: [String] = []
        while let event = log.next(&place) { read.append(text(event)) }
        let last = evictedCount == 1 ? log.lastPosition : ends[0]
        #expect(place.position == last && read == (1..<last).map { "\($0)" })
        #expect(text(first) == "0")
    }

    @Test func aPlaceBehindAnEvictedPageGoesOnInTheLog() {
        let log = SessionLog(maxByteCount: 2 * LogPage.byteCount)
        var place = log.place(after: 0)
        var read: [Int] = []
        for number in 1...2000 {
            say("word \(number)", to: log)
            if number % 7 == 0 { while let event = log.next(&place) { read.append(event.position) } }
        }
        while let event = log.next(&place) { read.append(event.position) }
        #expect(read == Array(1...2000))
        #expect(log.oldestPosition > 1 && log.byteCount <= 3 * LogPage.byteCount)
        for position in [-5, -1, 0, 1, log.oldestPosition - 2, 2000, 2001, .max] {
            #expect(log.event(after: position) == nil, "after \(position)")
        }
        #expect(log.event(after: log.oldestPosition - 1)?.position == log.oldestPosition)
    }

    /// An answer that is larger than the bound reaches a reader that must get every event.
    @Test func oneEventLargerThanTheBoundReachesAReaderThatNeedsIt() throws {
        var limits = SessionLimits()
        limits.maxLogBytes = 16 << 10
        let fixture = Fixture(limits: limits)
        let reader = Recorder(catchUp: CatchUp(whenPlaceIsGone: .close, mergesDeltas: false))
        reader.credit = 1
        try fixture.session.attach(reader, after: 0)
        let large = String(repeating: "x", count: 1 << 20)
        let generation = try fixture.submit("hi").generation
        generation.say("before")
        generation.say(large)
        generation.say("after")
        generation.finish(.stop)
        while fixture.session.active != nil { fixture.host.advance(by: .zero) }
        #expect(fixture.session.log.oldestPosition <= reader.position + 1)
        reader.credit = nil
        fixture.session.resume(reader)
        #expect(reader.placeGoneCount == 0)
        #expect(reader.sequences == Array(1...fixture.session.log.lastPosition))
        #expect(reader.events.filter(\.kind.isDelta).map(text) == ["before", large, "after"])
        // Nobody needs it any more.
        fixture.session.audience.trimLog()
        #expect(fixture.session.log.byteCount <= limits.maxLogBytes + LogPage.byteCount)
    }

    // MARK: Merging

    @Test(arguments: [1, 11, 300, 3000]) func deltasAreMergedOverTheBordersOfPages(_ length: Int) {
        let log = SessionLog(maxByteCount: .max)
        var whole = ""
        for number in 0..<400 {
            let piece = String(String(repeating: "\(number) ", count: length).prefix(length))
            whole += piece
            say(piece, to: log)
        }
        #expect(length == 1 || log.byteCount > 2 * LogPage.byteCount)
        var place = log.place(after: 0)
        var read = ""
        var last = 0
        var count = 0
        while let event = log.nextMerged(&place) {
            #expect((event.mergedFrom ?? event.position) == last + 1)
            #expect(event.responseSequence == event.position - 1 && event.item === item && event.response === header)
            #expect(event.endOffset == log.byteOffset(of: event.position))
            #expect(event.textOffset == 0)
            read += text(event)
            last = event.position
            count += 1
        }
        #expect(read == whole && last == 400)
        let perEvent = DeltaRun.maxTextByteCount / length
        #expect(count == (400 + perEvent - 1) / perEvent)
        #expect(DeltaRun.merged(log.events).map(\.position).last == 400)
        #expect(DeltaRun.merged(log.events).map(text).joined() == whole)
    }

    @Test func whatNeedsEscapesStaysSoWhenItIsMerged() throws {
        let fixture = Fixture()
        let generation = try fixture.submit("hi").generation
        for piece in ["plain ", "\\\"quoted\\\" ", "\\u00fc \\n", "end"] { generation.say(piece) }
        let merged = try #require(DeltaRun.merged(fixture.log).last)
        #expect(merged.mergedFrom == merged.position - 3)
        #expect(merged.json["delta"] == "plain \"quoted\" ü \nend")
    }

    @Test func deltasOfAResponseThatNobodyKnowsAreNotMerged() throws {
        let deltas = (0..<3).flatMap { _ in say("x", to: SessionLog(maxByteCount: .max)).withEncoded { Array($0) } }
        let events = [try stored(deltas, count: 3)].events(after: 0, upTo: .max)
        #expect(events.count == 3 && DeltaRun.merged(events).map(\.position) == [1, 2, 3])
    }

    // MARK: Stored and read again

    /// Every kind of event is the same JSON when it is told, later, and from the bytes in a store.
    @Test(arguments: [1, 3, 50, 10_000]) func storedEventsAreEncodedByteForByteAsTheyWereTold(_ perPage: Int) throws {
        let told = ToldSession()
        var delivered: [[UInt8]] = []
        told.log.onEvent = { delivered.append(ResponsesEncoder.json($0)) }
        try told.tellEverything()
        let events = told.log.appendedEvents
        #expect(Set(events.map(\.kind)) == Set(EventKind.allCases))
        #expect(events.map(ResponsesEncoder.json) == delivered)

        var headers: [Int: ResponseHeader] = [:]
        for (ordinal, record) in told.log.responses { headers[ordinal] = ResponseHeader(record, sessionID: told.session.id) }
        var pages: [LogPage] = []
        for start in stride(from: 0, to: events.count, by: perPage) {
            let part = events[start..<min(start + perPage, events.count)]
            let bytes = part.flatMap { event in event.withEncoded { Array($0) } }
            pages.append(try stored(bytes, count: part.count, from: start + 1))
        }
        #expect(
            Set(pages.flatMap(\.responseOrdinals)) == Set(events.compactMap { $0.response?.ordinal }),
            "responses that are named were events of their own before")
        for page in pages { page.resolve { headers[$0] } }
        let read = pages.events(after: 0, upTo: .max)
        for (ordinal, record) in told.log.responses where !record.status.isTerminal {
            let header = try #require(headers[ordinal])
            try header.restoreItems(from: read.filter { $0.isPart(of: header) }, of: record)
        }
        #expect(read.count == delivered.count)
        for (event, json) in zip(read, delivered) {
            #expect(
                String(decoding: ResponsesEncoder.json(event), as: UTF8.self) == String(decoding: json, as: UTF8.self),
                "event \(event.position)")
        }
    }

    @Test func eventsOfARunningResponseFindItsItems() throws {
        let fixture = Fixture()
        let generation = try fixture.submit("hi").generation
        generation.think("t")
        generation.say("one")
        // As from the store, while it runs: pages without the announcements.
        let last = try #require(fixture.log.last)
        let page = try stored(last.withEncoded { Array($0) }, count: 1, from: last.position)
        page.resolve { $0 == generation.header.ordinal ? generation.header : nil }
        let read = try #require([page].events(after: 0, upTo: .max).first)
        #expect(read.item === last.item && read.item != nil)
        #expect(read.payload == last.payload && !read.payload.isEmpty)
        generation.finish(.stop)
        let again = try stored(last.withEncoded { Array($0) }, count: 1, from: last.position)
        again.resolve { $0 == generation.header.ordinal ? generation.header : nil }
        #expect([again].events(after: 0, upTo: .max).map(\.payload) == [last.payload])
    }

    @Test func anInputNamesWhatItCutAlsoFromTheStore() throws {
        let fixture = Fixture()
        let cut = try fixture.submit("hi").generation
        cut.say("half a ")
        try fixture.submit("no", mode: .interrupt)
        let input = try #require(fixture.log.last { $0.kind == .inputAccepted })
        let bytes = input.withEncoded { Array($0) }
        let page = try stored(bytes, count: 1, from: input.position)
        #expect(page.responseOrdinals == [cut.header.ordinal])
        page.resolve { $0 == cut.header.ordinal ? cut.header : nil }
        let read = try #require([page].events(after: 0, upTo: .max).first)
        #expect(read.json["interrupted"]?["output_text"] == "half a " && read.payload == input.payload)
        // Of one that is not known, what the event says itself is told.
        let alone = try stored(bytes, count: 1, from: input.position)
        let told = try #require([alone].events(after: 0, upTo: .max).first)
        #expect(told.json["interrupted"]?["response_id"]?.string == cut.id)
    }
}

import GRDB
import Testing

@testable import Sessions
@testable import Storage

/// Events stand in the pages of their log until they are written, and are written as they stand there.
@Suite struct EventRunTests {
    @Test func eventsOfAPageAreOneRunAndEventsOfTwoPagesAreTwo() {
        let writer = EventWriter()
        // The first page takes the first three, a large event has one of its own.
        let events = [500, 10, 20, 100_000, 5].map { writer.append(String(repeating: "x", count: $0)) }
        var runs: [EventRun] = []
        for event in events {
            if runs.last?.last == event.position - 1, runs[runs.count - 1].extend(with: event) { continue }
            runs.append(EventRun(event, session: 1))
        }
        #expect(runs.map(\.first) == [1, 4, 5])
        #expect(runs.map(\.count) == [3, 1, 1])
        #expect(runs.flatMap { $0.bytes.withBytes { Array($0) } } == events.flatMap { $0.withEncoded { Array($0) } })
    }

    @Test func anEventThatDoesNotFollowIsNotTaken() {
        let writer = EventWriter()
        let events = ["a", "b", "c"].map { writer.append($0) }
        var run = EventRun(events[0], session: 1)
        let isTaken = run.extend(with: events[2])
        #expect(!isTaken && run.count == 1 && run.bytes.count == events[0].byteCount)
    }

    @Test func aRunKnowsWhetherItsResponseEnds() {
        let writer = EventWriter()
        var run = EventRun(writer.append("a"), session: 1)
        #expect(!run.endsResponse && run.isOfResponse)
        let isTaken = run.extend(with: writer.append("b", isEnd: true))
        #expect(isTaken && run.endsResponse)
        #expect(!EventRun(EventWriter(of: nil).append("a"), session: 1).isOfResponse)
    }

    /// The tail has the page of what is being said, and no page of what is not: an idle session costs the bytes of its events.
    @Test(arguments: [true, false])
    func onlyASessionThatSpeaksRetainsItsPage(isSpeaking: Bool) throws {
        let tail = EventTail(firstRow: 1, maxByteCount: 1 << 20)
        let database = try DatabaseQueue()
        try database.write { try EventTable.make($0) }
        weak var page: LogPage?
        var told: [UInt8] = []
        try {
            let event = EventWriter(of: isSpeaking ? ResponseHeader("resp_1", sessionID: "sess_1", ordinal: 1) : nil).append(
                "hello")
            page = event.page
            told = event.withEncoded { Array($0) }
            try database.write { db in
                try tail.append([EventRun(event, session: 7)], db)
                try tail.write(to: db)
            }
            tail.committed()
        }()
        #expect((page != nil) == isSpeaking)
        #expect(tail.events(of: 7)?.bytes == told)
    }

    @Test func whatWasRolledBackIsNotThere() throws {
        let tail = EventTail(firstRow: 1, maxByteCount: 1 << 20)
        let database = try DatabaseQueue()
        try database.write { try EventTable.make($0) }
        let writer = EventWriter()
        let events = ["a", "b", "c"].map { writer.append($0) }
        try database.write { try tail.append([EventRun(events[0], session: 7)], $0) }
        tail.rolledBack()
        #expect(tail.events(of: 7) == nil)
        for (event, isCommitted) in [(events[0], true), (events[1], false), (events[1], true)] {
            try database.write { db in
                try tail.append([EventRun(event, session: 7)], db)
                try tail.write(to: db)
            }
            if isCommitted { tail.committed() } else { tail.rolledBack() }
            if !isCommitted { try database.write { try $0.execute(sql: "DELETE FROM event_tail WHERE key = 2") } }
        }
        #expect(tail.events(of: 7)?.last == 2)
        #expect(tail.events(of: 7)?.bytes == events[..<2].flatMap { $0.withEncoded { Array($0) } })
    }
}

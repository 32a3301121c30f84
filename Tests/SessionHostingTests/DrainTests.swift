import LoopbackServer
import Sessions
import Testing

@testable import SessionHosting

/// A server that stops: who has got everything is let go; what still runs at the deadline ends, and its readers are told.
@Suite(BlockingThread()) struct DrainTests {
    @Test(arguments: [0, 1]) func aReaderIsLetGoOnceItsSessionIsAtRest(readerLoop: Int) throws {
        let server = try HandTurnedServer()
        let session = server.makeSession()
        let reader = try server.follow(session, on: readerLoop)
        let call = try server.submit("hello", to: session)
        server.say("hi", by: call, in: session)
        server.commitAll()
        server.drain()
        server.advance(by: .milliseconds(100))
        server.turnUntilQuiet()
        #expect(reader.eventCountsAtStop.isEmpty, "it waits for the end of the answer")
        #expect(!server.isDrained)
        server.finish(call, in: session)
        server.turnUntilQuiet()
        server.advance(by: .milliseconds(100))
        #expect(reader.eventCountsAtStop.isEmpty, "the end is not committed")
        server.commitAll()
        server.advance(by: .milliseconds(100))
        server.turnUntilQuiet()
        #expect(reader.kinds.last == .responseCompleted)
        #expect(reader.eventCountsAtStop == [reader.events.count], "told once, behind everything")
        #expect(server.isDrained)
    }

    @Test(arguments: [0, 1]) func aSlowReaderIsToldBehindItsBacklog(readerLoop: Int) throws {
        let server = try HandTurnedServer(hasStore: false)
        let session = server.makeSession()
        let reader = server.makeReader(on: readerLoop)
        reader.credit = 1
        try server.attach(reader, to: session)
        try server.ask("hello", "hi", in: session)
        server.drain()
        server.advance(by: .seconds(1))
        server.turnUntilQuiet()
        #expect(reader.events.count == 1)
        #expect(reader.eventCountsAtStop.isEmpty)
        server.resume(reader, credit: nil)
        server.turnUntilQuiet()
        server.advance(by: .seconds(1))
        server.turnUntilQuiet()
        #expect(reader.isGapless)
        #expect(reader.kinds.last == .responseCompleted)
        #expect(reader.eventCountsAtStop == [reader.events.count])
    }

    @Test(arguments: [0, 1]) func whatRunsAtTheDeadlineIsCancelledAndTold(readerLoop: Int) throws {
        let server = try HandTurnedServer()
        let session = server.makeSession()
        let reader = try server.follow(session, on: readerLoop)
        let running = try server.submit("hello", to: session, policy: .cancel)
        server.say("half an ans", by: running, in: session)
        try server.submit("and then", to: session, mode: .queue, policy: .cancel)
        server.commitAll()
        server.drain()
        var closed: [Int] = []
        server.endAll { closed.append($0) }
        server.turnUntilQuiet()
        #expect(running.isCancelled)
        #expect(!closed.contains(0), "connections stay open until the end is committed")
        #expect(!reader.kinds.contains { $0.isTerminal })
        server.commitAll()
        #expect(closed.sorted() == [0, 1])
        #expect(reader.kinds.count { $0 == .responseCancelled } == 2, "the one that ran, and the one that waited")
        #expect(reader.eventCountsAtStop == [reader.events.count])
        #expect(reader.isGapless)
        #expect(server.isDrained)
    }

    @Test func whatIsInMemoryAloneIsCancelledWhateverItsPolicy() throws {
        let server = try HandTurnedServer(hasStore: false)
        let session = server.makeSession()
        let reader = try server.follow(session, on: 1)
        let running = try server.submit("hello", to: session, policy: .continuing)
        server.endAll { _ in }
        server.turnUntilQuiet()
        #expect(running.isCancelled)
        #expect(reader.kinds.contains(.responseCancelled))
        #expect(reader.eventCountsAtStop == [reader.events.count])
    }

    @Test func workThatNobodyNeedListenToGoesOnAfterTheRestart() throws {
        let server = try HandTurnedServer()
        let session = server.makeSession()
        let running = try server.submit("hello", to: session, policy: .continuing)
        server.say("half an ans", by: running, in: session)
        server.endAll { _ in }
        server.commitAll()
        #expect(running.isCancelled, "the upstream is closed")
        let again = try server.load(session.id, on: 1)
        #expect(server.model.calls.count == 2, "and asked again")
        let reader = try server.follow(again, on: 0)
        server.commitAll()
        #expect(!reader.kinds.contains { $0.isTerminal })
        let call = try #require(server.model.calls.last)
        server.say("wer", by: call, in: again)
        server.finish(call, in: again)
        server.commitAll()
        #expect(reader.kinds.last == .responseCompleted)
        #expect(reader.isGapless)
    }
}

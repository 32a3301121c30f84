import LoopbackServer
import Network
import Sessions
import Testing

@testable import SessionHosting

/// A session on one loop, its readers on another: what one loop hands to the other arrives whole, in order, and in time.
@Suite(BlockingThread()) struct HandOverTests {
    @Test func everyEventCrossesInItsOrder() throws {
        let server = try HandTurnedServer(hasStore: false)
        let session = server.makeSession(on: 0)
        let near = try server.follow(session, on: 0)
        let far = try server.follow(session, on: 1)
        let call = try server.submit("hello", to: session)
        for number in 0..<1000 {
            server.say("\(number) ", by: call, in: session)
            // Batches of different sizes.
            if number % 7 == 0 { server.turn() }
        }
        server.finish(call, in: session)
        server.turnUntilQuiet()
        #expect(near.isGapless)
        #expect(far.agrees(with: near))
        #expect(far.kinds.last == .responseCompleted)
    }

    @Test func whatOneIterationWritesComesAsOneBatch() throws {
        let server = try HandTurnedServer(hasStore: false)
        let session = server.makeSession(on: 0)
        let far = try server.follow(session, on: 1)
        server.turnUntilQuiet()
        let before = far.events.count
        let call = try server.submit("hello", to: session)
        server.say("a", by: call, in: session)
        server.say("b", by: call, in: session)
        server.loops[1].turnOnce()
        #expect(far.events.count == before, "the session's loop has not turned")
        server.loops[0].turnOnce()
        #expect(far.events.count == before, "the reader's loop has not turned")
        server.loops[1].turnOnce()
        #expect(far.text == "ab")
    }

    @Test func aReaderThatStopsWhileEventsAreOnTheirWayGetsNoneOfThem() throws {
        let server = try HandTurnedServer(hasStore: false)
        let session = server.makeSession(on: 0)
        let far = try server.follow(session, on: 1)
        let call = try server.submit("hello", to: session)
        server.turnUntilQuiet()
        let count = far.events.count
        server.say("too late", by: call, in: session)
        server.loops[0].turnOnce()
        // The batch is in the mailbox of the reader's loop.
        server.stop(far)
        server.turnUntilQuiet()
        #expect(far.events.count == count)
        #expect(server.on(session) { $0.cursorCount } == 0)
        // Another takes its place, and gets what the first one did not.
        let next = server.makeReader(on: 1)
        try server.attach(next, to: session, after: count)
        server.turnUntilQuiet()
        #expect(next.text == "too late")
        #expect(next.positions.first == count + 1)
    }

    @Test func aReaderThatStopsWithinAnEventGetsNoMore() throws {
        for loop in [0, 1] {
            let server = try HandTurnedServer(hasStore: false)
            let session = server.makeSession(on: 0)
            let reader = try server.follow(session, on: loop)
            reader.whenReceived = { [weak reader] event in
                if event.kind == .outputTextDelta { reader?.stop() }
            }
            let call = try server.submit("hello", to: session, policy: .cancel)
            for _ in 0..<3 { server.say("x", by: call, in: session) }
            server.turnUntilQuiet()
            #expect(reader.text == "x")
            #expect(server.on(session) { $0.cursorCount } == 0)
            #expect(call.isCancelled, "nobody listens any more")
        }
    }

    @Test func aSlowReaderIsAWindowBehindAndLosesNothing() throws {
        let server = try HandTurnedServer(hasStore: false)
        let session = server.makeSession(on: 0)
        let slow = server.makeReader(on: 1)
        slow.credit = 1
        try server.attach(slow, to: session)
        let near = try server.follow(session, on: 0)
        let call = try server.submit("hello", to: session)
        let piece = String(repeating: "y", count: 1000)
        for _ in 0..<1000 {
            server.say(piece, by: call, in: session)
            server.turn()
        }
        #expect(slow.events.count == 1)
        // What was taken makes room for as much.
        var rounds = 0
        while slow.events.count < near.events.count, rounds < 2000 {
            server.resume(slow, credit: 50)
            server.turn()
            rounds += 1
        }
        #expect(slow.agrees(with: near))
        #expect(rounds >= near.events.count / 50)
    }

    @Test func noEventOfTheOldAnswerFollowsAnInterjectionOnAnotherLoop() throws {
        let server = try HandTurnedServer(hasStore: false)
        let session = server.makeSession(on: 0)
        let far = try server.follow(session, on: 1)
        let first = try server.submit("tell a story", to: session)
        for _ in 0..<5 { server.say("once ", by: first, in: session) }
        server.turn()
        server.say("upon ", by: first, in: session)
        let second = try server.submit("stop", to: session, mode: .interrupt)
        #expect(first.isCancelled)
        // What its upstream had sent before it was closed.
        server.say("a time", by: first, in: session)
        server.say("yes", by: second, in: session)
        server.turnUntilQuiet()
        #expect(far.isGapless)
        let acknowledged = try #require(far.kinds.lastIndex(of: .inputAccepted))
        let old = far.events.first { $0.kind == .responseCreated }?.responseID
        #expect(!far.events[acknowledged...].contains { $0.responseID == old })
        #expect(far.events[..<acknowledged].last { $0.responseID == old }?.kind.isTerminal == true)
        #expect(far.text == "once once once once once upon yes")
    }

    @Test func whatADeletedSessionHadSaidComesBeforeItsEnd() throws {
        let server = try HandTurnedServer()
        let session = server.makeSession(on: 0)
        let far = try server.follow(session, on: 1)
        let call = try server.submit("hello", to: session)
        server.say("last words", by: call, in: session)
        server.delete(session)
        server.turnUntilQuiet()
        #expect(far.text == "last words")
        #expect(far.kinds.contains(.responseCancelled))
        #expect(far.isGapless)
        #expect(far.closedCount == 1)
        #expect(!far.isReading)
        #expect(call.isCancelled)
    }

    @Test func readersOfManyLoopsAreIndependent() throws {
        let server = try HandTurnedServer(hasStore: false)
        let sessions = [server.makeSession(on: 0), server.makeSession(on: 1)]
        let readers = try sessions.flatMap { session in
            try [0, 1].map { try (session: session, reader: server.follow(session, on: $0)) }
        }
        for (index, session) in sessions.enumerated() { try server.ask("hello", "from \(index)", in: session) }
        server.turnUntilQuiet()
        for (session, reader) in readers {
            #expect(reader.isGapless)
            #expect(reader.text == "from \(session.loop.index)")
            #expect(reader.owner == "ann")
        }
    }
}

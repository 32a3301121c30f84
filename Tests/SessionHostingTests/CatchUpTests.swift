import LoopbackServer
import Sessions
import Testing

@testable import SessionHosting

/// A reader that asks for events which memory no longer holds gets them from the store or, where nobody has them, a truthful answer.
@Suite(BlockingThread()) struct CatchUpTests {
    /// A server whose logs hold a few pages in memory.
    private func makeServer(hasStore: Bool = true) throws -> HandTurnedServer {
        try HandTurnedServer(hasStore: hasStore) { $0.limits.maxLogBytes = 16 * 1024 }
    }

    /// Writes far more than memory holds.
    private func write(_ count: Int, by call: ScriptedModel.Call, in session: SessionReference, _ server: HandTurnedServer) {
        for number in 0..<count {
            server.say("word number \(number) of the answer. ", by: call, in: session)
            // What waits for its commit stays in memory.
            if number % 100 == 0 { server.commitAll() }
        }
        server.commitAll()
    }

    @Test(arguments: [0, 1]) func whatMemoryHasDroppedComesFromTheStore(readerLoop: Int) throws {
        let server = try makeServer()
        let session = server.makeSession()
        let first = try server.follow(session)
        let call = try server.submit("hello", to: session)
        write(3000, by: call, in: session, server)
        #expect(first.isGapless)
        #expect(server.on(session) { $0.log.oldestPosition } > 1)
        let late = try server.follow(session, on: readerLoop)
        server.turn { late.events.count == first.events.count }
        #expect(late.agrees(with: first))
    }

    @Test func whatIsSaidDuringACatchUpComesBehindIt() throws {
        let server = try makeServer()
        let session = server.makeSession()
        let first = try server.follow(session)
        let call = try server.submit("hello", to: session)
        write(2000, by: call, in: session, server)
        let late = try server.follow(session, on: 1)
        for number in 0..<500 {
            server.say("and \(number) ", by: call, in: session)
            if number % 20 == 0 { server.commit() }
            server.turn()
        }
        server.finish(call, in: session)
        server.commitAll()
        server.turn { late.events.count == first.events.count }
        #expect(late.agrees(with: first))
        #expect(late.kinds.last == .responseCompleted)
    }

    @Test func aReaderThatPausesInACatchUpGoesOnWhereItWas() throws {
        let server = try makeServer()
        let session = server.makeSession()
        let first = try server.follow(session)
        let call = try server.submit("hello", to: session)
        write(2000, by: call, in: session, server)
        let late = server.makeReader()
        late.credit = 100
        try server.attach(late, to: session)
        server.turn { late.credit == 0 }
        #expect(late.events.count == 100)
        while late.events.count < first.events.count {
            server.resume(late, credit: 100)
            server.turn { late.credit == 0 || late.events.count == first.events.count }
        }
        #expect(late.agrees(with: first))
    }

    @Test func aReaderMayGoWhileTheStoreReadsForIt() throws {
        let server = try makeServer()
        let session = server.makeSession()
        let call = try server.submit("hello", to: session)
        write(2000, by: call, in: session, server)
        let late = try server.follow(session)
        server.stop(late)
        let other = try server.follow(session)
        server.turn { other.events.count == server.on(session) { $0.log.lastPosition } }
        #expect(late.events.isEmpty)
        #expect(other.isGapless)
    }

    @Test func whereNobodyHasTheEventsTheStateComesInTheirPlace() throws {
        let server = try makeServer(hasStore: false)
        let session = server.makeSession()
        let call = try server.submit("hello", to: session)
        write(3000, by: call, in: session, server)
        let late = server.makeReader(on: 1, catchUp: .snapshot)
        try server.attach(late, to: session)
        // A large state is encoded on a thread of the workers.
        server.turn { !late.snapshots.isEmpty }
        let last = server.on(session) { $0.log.lastPosition }
        #expect(late.snapshots == [last])
        #expect(late.events.isEmpty)
        server.say("and on", by: call, in: session)
        server.turnUntilQuiet()
        #expect(late.positions == [last + 1], "what follows the state, and nothing twice")
    }

    @Test func aReaderThatMustHaveEveryEventIsToldThatItCannot() throws {
        let server = try makeServer(hasStore: false)
        let session = server.makeSession()
        let call = try server.submit("hello", to: session)
        write(3000, by: call, in: session, server)
        let late = try server.follow(session, on: 1)
        server.turnUntilQuiet()
        #expect(late.placeGoneCount == 1)
        #expect(late.events.isEmpty)
        #expect(!late.isReading)
    }

    @Test func aStateWaitsForTheCommitOfWhatItTells() throws {
        let server = try makeServer()
        let session = server.makeSession()
        _ = try server.submit("hello", to: session)
        server.commitAll()
        let call = try server.submit("again", to: session)
        server.say("hi", by: call, in: session)
        // A position that the log never had: of another server's log, say.
        let lost = server.makeReader(catchUp: .snapshot)
        try server.attach(lost, to: session, after: 1_000_000)
        server.turnUntilQuiet()
        #expect(lost.snapshots.isEmpty)
        server.commitAll()
        #expect(lost.snapshots.count == 1)
    }
}

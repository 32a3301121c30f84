import LoopbackServer
import Sessions
import Testing

@testable import SessionHosting

/// What goes from memory when sessions are too large together, or were not used for long, and that it comes back.
@Suite(BlockingThread()) struct EvictionTests {
    /// Bytes of one loop's logs.
    private static let limit = 1 << 20
    /// A tenth of that and more, in the log and the conversation together.
    private static let large = String(repeating: "z", count: 60_000)
    /// Longer than a session is sheltered after it was looked up, and than the time between two sweeps.
    private static let idleness = Duration.seconds(70)

    private func makeServer(hasStore: Bool = true) throws -> HandTurnedServer {
        try HandTurnedServer(hasStore: hasStore) {
            $0.maxLogMemoryBytes = 2 * Self.limit
            $0.residency = .seconds(3600)
            $0.retention = .seconds(7200)
        }
    }

    private func makeIdle(
        _ server: HandTurnedServer, owner: String = "ann", isDurable: Bool = true
    ) throws -> SessionReference {
        let session = server.makeSession(owner: owner, isDurable: isDurable)
        try server.ask(Self.large, "noted", in: session)
        return session
    }

    /// More than there is room for, of which nothing may go.
    private func fill(_ server: HandTurnedServer) throws {
        let busy = server.makeSession(owner: "busy", isDurable: false)
        let call = try server.submit("hello", to: busy)
        for _ in 0..<20 { server.say(Self.large, by: call, in: busy) }
    }

    @Test func withinTheLimitEverythingStays() throws {
        let server = try makeServer()
        let session = try makeIdle(server)
        server.commitAll()
        server.advance(by: Self.idleness)
        #expect(server.isResident(session))
    }

    @Test func whatTheStoreHasGoesFirst() throws {
        let server = try makeServer()
        let only = try makeIdle(server, isDurable: false)
        let stored = try (0..<3).map { _ in
            server.advance(by: .seconds(6))
            return try makeIdle(server)
        }
        server.commitAll()
        server.advance(by: Self.idleness)
        // Over the limit by less than the stored ones have together.
        let busy = server.makeSession(owner: "busy", isDurable: false)
        let call = try server.submit("hello", to: busy)
        var pieces = 0
        while stored.allSatisfy(server.isResident), pieces < 100 {
            server.say(String(repeating: "w", count: 10_000), by: call, in: busy)
            pieces += 1
            server.advance(by: .seconds(5))
        }
        #expect(!server.isResident(stored[0]), "the one that was idle for longest")
        #expect(server.isResident(only), "older than all of them, but it would be gone for good")
    }

    @Test func afterThatTheOwnerWithTheMostGivesUpTheOldest() throws {
        let server = try makeServer(hasStore: false)
        let few = try makeIdle(server, owner: "few")
        var many: [SessionReference] = []
        for _ in 0..<5 {
            server.advance(by: .seconds(6))
            many.append(try makeIdle(server, owner: "many"))
        }
        let readers = try many.map { session in
            let reader = try server.follow(session, on: 1)
            server.stop(reader)
            server.turnUntilQuiet()
            return reader
        }
        #expect(readers.allSatisfy { $0.isGapless })
        server.advance(by: .seconds(6))
        #expect(many.allSatisfy(server.isResident), "there is room for all of them")
        let busy = server.makeSession(owner: "busy")
        let call = try server.submit("hello", to: busy)
        var pieces = 0
        while many.allSatisfy(server.isResident), pieces < 200 {
            server.say(String(repeating: "w", count: 10_000), by: call, in: busy)
            pieces += 1
            server.advance(by: .seconds(5))
        }
        #expect(!server.isResident(many[0]), "the oldest of the owner who has the most")
        #expect(server.isResident(many[4]))
        #expect(server.isResident(few), "older, but its owner has less")
    }

    @Test func whatIsNotCommittedStays() throws {
        let server = try makeServer()
        let session = try makeIdle(server)
        server.turnUntilQuiet()
        try fill(server)
        server.advance(by: Self.idleness)
        server.advance(by: Self.idleness)
        #expect(server.isResident(session))
        server.commitAll()
        server.advance(by: .seconds(5))
        #expect(!server.isResident(session))
    }

    @Test func whatRunsOrIsReadStays() throws {
        let server = try makeServer()
        let followed = try makeIdle(server)
        let running = server.makeSession()
        let call = try server.submit(Self.large, to: running)
        let reader = try server.follow(followed, on: 1)
        try fill(server)
        server.commitAll()
        server.advance(by: Self.idleness)
        #expect(server.isResident(followed) && server.isResident(running))
        server.stop(reader)
        server.finish(call, in: running)
        server.commitAll()
        server.advance(by: Self.idleness)
        #expect(!server.isResident(followed) && !server.isResident(running))
    }

    @Test func whatWasJustMadeIsSheltered() throws {
        let server = try makeServer()
        let session = try makeIdle(server)
        server.commitAll()
        try fill(server)
        server.advance(by: .seconds(55))
        #expect(server.isResident(session), "whoever was given its reference may not have used it yet")
        server.advance(by: .seconds(5))
        #expect(!server.isResident(session))
    }

    @Test func aSessionComesBackAsItWas() throws {
        let server = try makeServer()
        let session = try makeIdle(server)
        let before = try server.follow(session)
        server.commitAll()
        server.stop(before)
        try fill(server)
        server.advance(by: Self.idleness)
        #expect(!server.isResident(session))
        let again = try server.load(session.id, on: 1)
        let after = try server.follow(again, on: 0)
        server.turn { after.events.count == before.events.count }
        #expect(after.agrees(with: before))
        try server.ask("more", "yes", in: again)
        server.commitAll()
        #expect(after.text == "notedyes")
        #expect(after.isGapless)
    }

    @Test func unusedSessionsGoByTheirTime() throws {
        let server = try makeServer()
        let stored = try makeIdle(server)
        let only = try makeIdle(server, isDurable: false)
        server.commitAll()
        server.advance(by: .seconds(3590))
        #expect(server.isResident(stored))
        server.advance(by: .seconds(15))
        #expect(!server.isResident(stored), "it comes back when it is asked for")
        #expect(server.isResident(only))
        server.advance(by: .seconds(3600))
        #expect(!server.isResident(only))
    }
}

import Hosting
import JSON
import LoopbackServer
import Network
import Sessions
import Testing

@testable import SessionHosting

/// A session of which the store has refused a change: nothing of it is told as committed from then on.
@Suite(BlockingThread()) struct LostSessionTests {
    private func submit(as id: String, to session: SessionReference, of server: HandTurnedServer) throws {
        try server.on(session) { live in
            let submit = SessionCommand.Submit(
                NewItems([.userMessage("hello")]), responseID: id, parameters: .whole(live.defaults))
            _ = try live.handle(SessionCommand(.submit(submit))).accepted()
        }
    }

    @Test func whatComesBehindARefusedChangeIsNotToldAsCommitted() throws {
        let server = try HandTurnedServer()
        let (first, second) = (server.makeSession(), server.makeSession())
        server.commitAll()
        // Two responses of one name are more than the store takes.
        try submit(as: "resp_same", to: first, of: server)
        server.commitAll()
        try submit(as: "resp_same", to: second, of: server)
        var answers: [String: Bool] = [:]
        let live = server.on(second) { live in
            live.whenCommitted { answers["with it"] = $0 }
            return live
        }
        server.turnUntilQuiet()
        server.commit()
        // Its loop has not heard of it yet: this goes to the next commit, which the store takes.
        server.on(second) { live in
            live.setMetadata(["a": "b"])
            live.whenCommitted { answers["behind it"] = $0 }
        }
        server.turnUntilQuiet()
        server.commitAll()
        #expect(!server.isResident(second))
        second.loop.enter { live.whenCommitted { answers["after it"] = $0 } }
        #expect(answers.isEmpty)
        server.advance(by: CommitWait.deadline)
        #expect(answers == ["with it": false, "behind it": false, "after it": false])
        #expect(server.on(first) { $0.generations.map(\.id) } == ["resp_same"], "another session loses nothing")
    }
}

import LoopbackServer
import Sessions
import Testing

@testable import SessionHosting

/// What a command leaves that was refused: nothing.
@Suite(BlockingThread()) struct RefusalTests {
    private static func submit(_ items: [Item], _ id: String, to live: Session, after previous: String? = nil) -> SessionOutcome {
        var submit = SessionCommand.Submit(NewItems(items), responseID: id, parameters: .whole(live.defaults))
        submit.continuation = previous.map { .init(of: $0, isStored: true, isDurable: true) }
        return live.handle(SessionCommand(.submit(submit)))
    }

    @Test(arguments: [true, false])
    func aRefusedInputLeavesNeitherABranchNorAResponse(onABranch: Bool) throws {
        let server = try HandTurnedServer()
        let session = server.makeSession()
        try server.ask("one", "first", in: session)
        try server.ask("two", "second", in: session)
        server.commitAll()
        let item = Item.userMessage("twice")
        let refused = Identifier.make("resp_")
        try server.on(session) { live in
            let previous = try #require(onABranch ? live.generations.first : live.generations.last).id
            #expect(throws: SessionError.duplicateItem(id: item.id)) {
                _ = try Self.submit([item, item], refused, to: live, after: previous).accepted()
            }
        }
        server.turnUntilQuiet()
        #expect(server.residentCount == 1)
        #expect(!server.isFindable(response: refused))

        let taken = Identifier.make("resp_")
        try server.on(session) { live in
            let previous = try #require(onABranch ? live.generations.first : live.generations.last).id
            _ = try Self.submit([item], taken, to: live, after: previous).accepted()
        }
        #expect(server.residentCount == (onABranch ? 2 : 1))
        #expect(server.isFindable(response: taken))
    }
}

import JSON
import Sessions
import Testing

/// An identifier stands once in a conversation.
@Suite struct DuplicateItemTests {
    private let fixture = Fixture()

    private func item(_ id: String) -> Item {
        Item(id: id, body: ["type": "message", "role": "user", "content": [["type": "input_text", "text": "hi"]]])
    }

    private func submit(_ ids: [String], mode: InterjectionMode = .queue) throws -> Generation {
        let input = Input(
            items: ids.map(item), mode: mode, parameters: ResponseParameters(model: "m"), policy: .continuing)
        return try fixture.session.submit(input).generation
    }

    /// Of the item that the last event of the log is about.
    private var lastItemID: String? {
        let log = fixture.session.log
        return log.event(after: log.lastPosition - 1)?.json["item_id"]?.string
    }

    private func refused(_ id: String) -> SessionError { .duplicateItem(id: id) }

    @Test func whatTheConversationHasIsRefused() throws {
        let first = try submit(["a"])
        first.say("Hello")
        first.finish(.stop)
        let said = try #require(first.output.first?.id)
        for id in ["a", said] {
            #expect(throws: refused(id)) { try submit(["b", id]) }
            #expect(throws: refused(id)) { try fixture.session.add([item("b"), item(id)]) }
        }
        #expect(throws: refused("b")) { try submit(["b", "b"]) }
        #expect(fixture.session.items.map(\.id) == ["a", said])
        try submit(["b"]).finish(.stop)
        checkInvariants(fixture)
    }

    @Test func whatWaitsOrIsBeingSaidIsRefused() throws {
        let running = try submit(["a"])
        running.say("Hello")
        let said = try #require(lastItemID)
        _ = try submit(["b"])
        let sequence = fixture.session.log.lastPosition
        for (id, mode) in [("b", InterjectionMode.queue), (said, .queue), (said, .interrupt), (said, .steer)] {
            #expect(throws: refused(id)) { try submit([id], mode: mode) }
        }
        #expect(fixture.session.log.lastPosition == sequence && running.isActive)
    }

    @Test func whatIsRolledBackMayComeAgain() throws {
        let running = try submit(["a"])
        running.say("Hello")
        let said = try #require(lastItemID)
        try submit([said], mode: .rollback).finish(.stop)
        #expect(fixture.session.items.map(\.id) == ["a", said])
    }

    @Test func whatWasDeletedMayComeAgain() throws {
        try fixture.session.add([item("a"), item("b")])
        #expect(fixture.session.deleteItem("a"))
        try fixture.session.add([item("a")])
        #expect(fixture.session.items.map(\.id) == ["b", "a"])
    }
}

import JSON
import Testing
import ToldSession

@testable import Sessions

/// Items that a client puts between others, replaces or truncates: what is remembered, and what readers are told.
@Suite struct ItemCommandTests {
    private let fixture = Fixture()

    private func handle(_ kind: SessionCommand.Kind) -> SessionOutcome { fixture.session.handle(SessionCommand(kind)) }

    private static func message(_ id: String, _ text: String, role: String = "user") -> Item {
        let type = role == "user" ? "input_text" : "output_text"
        let part: JSONValue = ["type": .string(type), "text": .string(text)]
        return Item(id: id, body: ["type": "message", "role": .string(role), "content": [part]])
    }

    private static func call(_ id: String) -> Item {
        Item(id: id, body: ["type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"])
    }

    private static func result(_ id: String) -> Item {
        Item(id: id, body: ["type": "function_call_output", "call_id": "c", "output": "1"])
    }

    private func add(_ items: [Item]) { try? fixture.session.add(items) }
    private func insert(_ items: [Item], after previous: String?) -> SessionOutcome {
        handle(.insertItems(NewItems(items), after: previous))
    }
    private func truncate(_ id: String, to count: Int, heard: Int? = nil) -> SessionOutcome {
        handle(.truncateItem(.init(itemID: id, toUTF8Count: count, audioEndMilliseconds: heard)))
    }

    private var ids: [String] { fixture.session.items.map(\.id) }
    private var told: [JSONValue] { fixture.recorder.events.map(\.json) }

    // MARK: Insertion

    @Test func itemsAreInsertedWhereTheClientSays() throws {
        add([Self.message("a", "1"), Self.message("b", "2")])
        let outcome = try insert([Self.message("c", "3"), Self.message("d", "4")], after: "a").summary()
        #expect(outcome.lastPosition == fixture.session.log.end)
        _ = try insert([Self.message("e", "5")], after: nil).summary()
        #expect(ids == ["e", "a", "c", "d", "b"])
        #expect(told.suffix(2).map { $0["type"] } == ["interject:items.inserted", "interject:items.inserted"])
        #expect(told.suffix(2).map { $0["previous_item_id"] } == ["a", .null])
        #expect(told.last?["items"] == [Self.message("e", "5").json])
        // The next answer reads them in this order; one that runs does not.
        try fixture.submit("go on")
        let before = fixture.model.requests.last?.items.map(\.text)
        _ = try insert([Self.message("f", "6")], after: "e").summary()
        #expect(before == ["5", "1", "3", "4", "2", "go on"])
        #expect(fixture.conversation == ["5", "6", "1", "3", "4", "2", "go on"])
    }

    @Test func whatWasEncodedElsewhereIsToldAlike() throws {
        add([Self.message("a", "1")])
        let items = [Self.message("b", "☃ \"2\"")]
        _ = try handle(.insertItems(NewItems(items, encoded: EncodedItems(items)), after: "a")).summary()
        let encoded = fixture.log.last?.encoded
        #expect(fixture.session.deleteItem("b"))
        _ = try insert(items, after: "a").summary()
        #expect(fixture.log.last?.encoded == encoded)
    }

    @Test func aRefusedInsertionChangesNothing() throws {
        add([Self.message("a", "1"), Self.call("fc"), Self.result("o")])
        let running = try fixture.submit("hi").generation
        running.say("said")
        let open = try #require(running.draft.items.first?.id)
        let count = fixture.log.count
        let items = fixture.session.items
        #expect(insert([Self.message("b", "2")], after: "z") == .refused(.itemNotFound("z")))
        // What is being said stands in the conversation when it has ended.
        #expect(insert([Self.message("b", "2")], after: open) == .refused(.itemNotFound(open)))
        #expect(insert([Self.message("a", "2")], after: nil) == .refused(.duplicateItem(id: "a")))
        #expect(insert([Self.message(open, "2")], after: nil) == .refused(.duplicateItem(id: open)))
        // Before its call, and in the place of the result that the call has.
        #expect(insert([Self.result("p")], after: "a") == .refused(.resultWithoutCall(callID: "c", index: 0)))
        #expect(
            insert([Self.message("b", "2"), Self.result("p")], after: "fc")
                == .refused(.resultWithoutCall(callID: "c", index: 1)))
        #expect(fixture.log.count == count && fixture.session.items == items)
        _ = try insert([Self.call("fc2"), Self.result("p")], after: "a").summary()
        #expect(ids.prefix(5) == ["a", "fc2", "p", "fc", "o"])
    }

    @Test func anInsertionThatGivesAResultAnotherCallIsRefused() throws {
        add([Self.call("fc"), Self.result("o")])
        let items = fixture.session.items
        let new = [Self.message("b", "2"), Self.call("fc2")]
        #expect(insert(new, after: "fc") == .refused(.resultWithoutCall(callID: "c", index: 1)))
        #expect(fixture.session.items == items)
        // Behind the result, and in an earlier answer, no pair changes.
        _ = try insert([Self.call("fc3")], after: "o").summary()
        _ = try insert([Self.call("fc2"), Self.message("b", "2")], after: nil).summary()
        #expect(ids == ["fc2", "b", "fc", "o", "fc3"])
    }

    @Test func aMessageBetweenCallsOfOneNameIsRefused() throws {
        add([Self.call("fc"), Self.call("fc2"), Self.result("o"), Self.result("p")])
        #expect(insert([Self.message("b", "2")], after: "fc") == .refused(.resultWithoutCall(callID: "c", index: 0)))
        _ = try insert([Self.message("b", "2", role: "assistant")], after: "fc").summary()
    }

    @Test func aConversationThatIsFullTakesNoInsertion() {
        var limits = SessionLimits()
        limits.maxConversationBytes = 400
        let fixture = Fixture(limits: limits)
        let large = Self.message("a", String(repeating: "x", count: 500))
        let insertion = SessionCommand(.insertItems(NewItems([large]), after: nil))
        #expect(fixture.session.handle(insertion) == .refused(.conversationTooLarge(limitBytes: 400)))
        let small = Self.message("a", "x")
        _ = fixture.session.handle(SessionCommand(.addItems(NewItems([small]))))
        #expect(fixture.session.handle(SessionCommand(.replaceItem(large))) == .refused(.conversationTooLarge(limitBytes: 400)))
        #expect(fixture.session.items == [small])
    }

    @Test func branchesBeginWhereTheirResponsesEnded() throws {
        let first = try fixture.submit("one").generation
        first.say("a")
        first.finish(.stop)
        let second = try fixture.submit("two").generation
        second.finish(.stop)
        let question = fixture.session.items[0].id
        let answer = fixture.session.items[1].id
        _ = try insert([Self.message("x", "x"), Self.message("y", "y")], after: question).summary()
        #expect(fixture.session.conversation(upTo: first)?.map(\.text) == ["one", "x", "y", "a"])
        // Right behind its end: no part of what it said.
        _ = try insert([Self.message("z", "z")], after: answer).summary()
        #expect(fixture.session.conversation(upTo: first)?.map(\.text) == ["one", "x", "y", "a"])
        #expect(fixture.session.conversation(upTo: second)?.map(\.text) == ["one", "x", "y", "a", "z", "two"])
    }

    @Test func anInsertionThatIsNotCommittedIsTakenBack() {
        add([Self.message("a", "1")])
        let command = SessionCommand(.insertItems(NewItems([Self.message("b", "2")]), after: nil))
        let outcome = fixture.session.handle(command)
        fixture.session.withdraw(command, outcome)
        #expect(ids == ["a"])
        #expect(told.last?["type"] == "interject:items.deleted")
    }

    // MARK: Replacement

    @Test func anItemIsReplacedWhereItStands() throws {
        add([Self.message("a", "…"), Self.message("b", "2")])
        _ = try handle(.replaceItem(Self.message("a", "what was heard"))).summary()
        #expect(fixture.conversation == ["what was heard", "2"])
        #expect(told.last?["type"] == "interject:item.replaced")
        #expect(told.last?["item"] == Self.message("a", "what was heard").json)
        #expect(handle(.replaceItem(Self.message("z", ""))) == .refused(.itemNotFound("z")))
    }

    @Test func aCallThatIsAnsweredIsNotReplacedByAnotherItem() throws {
        add([Self.call("fc"), Self.result("o")])
        #expect(handle(.replaceItem(Self.message("fc", "none"))) == .refused(.resultWithoutCall(callID: "c", index: 0)))
        var other = Self.result("o")
        other.body["call_id"] = "d"
        #expect(handle(.replaceItem(other)) == .refused(.resultWithoutCall(callID: "d", index: 0)))
        var call = Self.call("fc")
        call.body["arguments"] = "{\"a\":1}"
        _ = try handle(.replaceItem(call)).summary()
        #expect(fixture.session.items[0] == call)
    }

    @Test func aResultIsNotReplacedByAnotherItem() throws {
        add([Self.call("fc"), Self.result("o")])
        #expect(handle(.replaceItem(Self.message("o", "none"))) == .refused(.resultWithoutCall(callID: "c", index: 0)))
        #expect(fixture.session.items == [Self.call("fc"), Self.result("o")])
        var other = Self.result("o")
        other.body["output"] = "2"
        _ = try handle(.replaceItem(other)).summary()
        #expect(fixture.session.items == [Self.call("fc"), other])
    }

    // MARK: Truncation

    @Test func onlyWhatWasHeardIsRemembered() throws {
        let answer = try fixture.submit("hi").generation
        answer.say("one two three")
        answer.finish(.stop)
        let id = try #require(fixture.session.items.last?.id)
        let cut = try #require(truncate(id, to: 7, heard: 1250).items().items.first)
        #expect(cut.text == "one two" && cut.status == .incomplete && fixture.session.items.last == cut)
        #expect(told.last?["type"] == "interject:item.truncated")
        #expect(told.last?["item"] == cut.json && told.last?["audio_end_ms"] == 1250)
        // The answer itself is told as it was given.
        #expect(answer.output.first?.text == "one two three")
        try fixture.submit("go on")
        #expect(fixture.model.requests.last?.items.map(\.text) == ["hi", "one two", "go on"])
        _ = try truncate(id, to: 0).items()
        #expect(fixture.session.items[1].text == "")
        #expect(told.last?["audio_end_ms"] == .null)
    }

    @Test func aTruncationBehindTheEndIsTakenAndTellsNothing() throws {
        add([Self.message("a", "all of it", role: "assistant")])
        let count = fixture.log.count
        for length in [9, 10, Int.max] {
            #expect(try truncate("a", to: length, heard: .max).items().items == [Self.message("a", "all of it", role: "assistant")])
        }
        #expect(fixture.log.count == count)
    }

    /// Numbers that no client should send neither trap nor come back as others.
    @Test(arguments: [Int.min, -1]) func numbersOfAStrangerAreBounded(_ number: Int) throws {
        add([Self.message("a", "text", role: "assistant"), Self.message("b", "text", role: "assistant")])
        #expect(try truncate("a", to: number, heard: number).items().items.first?.text == "")
        #expect(told.last?["audio_end_ms"] == 0)
        #expect(try truncate("b", to: 1, heard: .max).items().items.first?.text == "t")
        #expect(told.last?["audio_end_ms"]?.int == .max - 1)
    }

    @Test func onlyMessagesAreTruncated() {
        add([Self.call("fc")])
        #expect(truncate("fc", to: 0) == .refused(.itemNotTruncatable("fc")))
        #expect(truncate("z", to: 0) == .refused(.itemNotFound("z")))
    }

    /// The message that a client of Chat Completions sent goes to the upstream as it came.
    @Test func theClientsOwnFormIsTruncatedToo() throws {
        for content in ["what was said" as JSONValue, [["type": "text", "text": "what was said"]]] {
            let message: JSONValue = ["role": "assistant", "content": content, "name": "x"]
            let body: JSONObject = ["type": "message", "role": "assistant", "content": content]
            let id = Identifier.make("msg_")
            add([Item(id: id, body: body, chatMessage: message)])
            let cut = try #require(truncate(id, to: 8).items().items.first)
            #expect(cut.text == "what was" && cut.chatMessage?["name"] == "x")
            #expect(cut.chatMessage?["content"] == cut.body["content"])
        }
    }

    // MARK: The end

    @Test func aClosedSessionIsNotWritten() {
        let log = ToldLog()
        let host = FakeHost()
        let session = Session(owner: "me", host: host, defaults: ResponseParameters(model: "m"), log: log)
        try? session.add([Self.message("a", "1", role: "assistant")])
        session.close()
        let (events, changes) = (log.appendedEvents.count, log.changes.count)
        let commands: [SessionCommand.Kind] = [
            .setMetadata(["a": "b"]), .addItems(NewItems([Self.message("b", "2")])),
            .insertItems(NewItems([Self.message("b", "2")]), after: nil), .replaceItem(Self.message("a", "2")),
            .truncateItem(.init(itemID: "a", toUTF8Count: 0)),
        ]
        for command in commands { #expect(session.handle(SessionCommand(command)) == .refused(.sessionClosed), "\(command)") }
        #expect(log.appendedEvents.count == events && log.changes.count == changes)
        #expect(session.metadata == [:] && session.items.map(\.text) == ["1"])
    }
}

import JSON
import JSONSchema
import Sessions
import Testing

@Suite struct DeletingTests {
    @Test func aDeletedResponseIsCancelledAndItsConversationGoesOn() throws {
        let fixture = Fixture(mode: .queue)
        let first = try fixture.submit("one").generation
        first.say("answer")
        let second = try fixture.submit("two").generation
        #expect(fixture.session.delete(responseID: first.id))
        #expect(first.status == .cancelled)
        #expect(fixture.session.active === second)
        #expect(!fixture.session.generations.contains { $0 === first })
        #expect(!fixture.session.delete(responseID: first.id))
        second.finish(.stop)
        #expect(fixture.conversation == ["one", "answer", "two"])
    }

    @Test func whatFollowsNamesNoPredecessorThatWasDeleted() throws {
        let fixture = Fixture(mode: .queue)
        let first = try fixture.submit("one").generation
        first.finish(.stop)
        let second = try fixture.submit("two").generation
        second.finish(.stop)
        #expect(fixture.session.delete(responseID: second.id))
        #expect(try fixture.submit("three").generation.previousResponseID == first.id)
    }

    @Test func branchesKeepTheirPlacesWhenAnItemIsTakenOut() throws {
        let fixture = Fixture(mode: .queue)
        let first = try fixture.submit("one").generation
        first.say("a")
        first.finish(.stop)
        let second = try fixture.submit("two").generation
        second.say("b")
        second.finish(.stop)
        #expect(fixture.session.deleteItem(fixture.session.items[0].id))
        #expect(fixture.session.conversation(upTo: first)?.map(\.text) == ["a"])
        #expect(fixture.session.conversation(upTo: second)?.map(\.text) == ["a", "two", "b"])
        #expect(!fixture.session.deleteItem("msg_none"))
        try fixture.session.add([.userMessage("added")])
        #expect(fixture.conversation == ["a", "two", "b", "added"])
    }
}

@Suite struct StructuredOutputTests {
    private func answer(_ text: String, to format: JSONValue, finish: FinishReason = .stop) throws -> (Fixture, Generation) {
        let fixture = Fixture()
        var input = Input(
            items: [.userMessage("?")], parameters: ResponseParameters(model: "m", members: ["text": ["format": format]]),
            policy: .continuing)
        input.mode = .queue
        let generation = try fixture.session.submit(input).generation
        if !text.isEmpty { generation.say(text) }
        generation.finish(finish)
        return (fixture, generation)
    }

    private let schema: JSONValue = [
        "type": "json_schema", "name": "n", "schema": ["type": "object", "required": ["a"]],
    ]

    @Test func theVerdictComesBeforeTheEnd() throws {
        let (_, good) = try answer("{}", to: ["type": "json_object"])
        #expect(good.status == .completed)
        #expect(good.verdict == .valid)
        let (_, bad) = try answer("{}", to: schema)
        #expect(bad.status == .incomplete(.invalidStructuredOutput))
        #expect(bad.verdict == .invalid(.init(path: "", message: "lacks the property 'a'")))
        #expect(bad.output.last?.status == .incomplete)
    }

    @Test func anAnswerWithoutTextIsNoneOfTheFormat() throws {
        for text in ["", " \n"] {
            let (_, empty) = try answer(text, to: schema)
            #expect(empty.status == .incomplete(.invalidStructuredOutput))
            #expect(empty.verdict != nil && empty.verdict != .valid)
        }
    }

    @Test func whatWasCutOrIsTextIsNotJudged() throws {
        #expect(try answer("{", to: schema, finish: .length).1.verdict == nil)
        #expect(try answer("hi", to: ["type": "text"]).1.verdict == nil)
    }
}

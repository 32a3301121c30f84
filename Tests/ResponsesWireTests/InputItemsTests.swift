import JSON
import ResponsesWire
import Sessions
import Testing

/// What a Responses `input` may be.
@Suite struct InputItemsTests {
    @Test func aStringIsAUsersMessage() throws {
        let items = try InputItems.parse("hello")
        #expect(items.count == 1 && items[0].role == "user" && items[0].text == "hello")
    }

    @Test func contentBecomesParts() throws {
        let items = try InputItems.parse([["role": "assistant", "content": "yes"], ["role": "user", "content": "no"]])
        #expect(items.map { $0.body["content"]?[0]?["type"]?.string } == ["output_text", "input_text"])
    }

    @Test func aCallAndItsOutputKeepTheirMembers() throws {
        let items = try InputItems.parse([
            ["type": "function_call", "call_id": "c1", "name": "look", "arguments": "{}"],
            ["type": "function_call_output", "call_id": "c1", "output": "seen"],
        ])
        #expect(items.map(\.type) == ["function_call", "function_call_output"])
        #expect(items[1].body["output"]?.string == "seen")
    }

    @Test func anEmptyIdentifierIsNone() throws {
        let items = try InputItems.parse([
            ["role": "user", "content": "a", "id": ""], ["role": "user", "content": "b", "id": ""],
            ["role": "user", "content": "c", "id": "msg_c"],
        ])
        #expect(Set(items.map(\.id)).count == 3 && items.allSatisfy { $0.id.hasPrefix("msg_") } && items[2].id == "msg_c")
    }

    @Test(arguments: [
        ("7", "input"), ("[]", "input"), ("[7]", "input[0]"), (#"[{"role":"robot","content":"x"}]"#, "input[0].role"),
        (#"[{"role":"user"}]"#, "input[0].content"), (#"[{"role":"user","content":[{}]}]"#, "input[0].content[0].type"),
        (#"[{"type":"function_call","name":"x","arguments":"{}"}]"#, "input[0].call_id"),
        (#"[{"type":"function_call_output","call_id":"c"}]"#, "input[0].output"), (#"[{"type":"item_reference"}]"#, "input[0]"),
    ])
    func whatIsWrongIsNamed(json: String, param: String) throws {
        let value = try JSONValue.parse(json)
        let error = #expect(throws: RequestError.self) { try InputItems.parse(value) }
        #expect(error?.param == param)
    }

    @Test func itemsOfAnotherMemberAreNamedByIt() throws {
        let error = #expect(throws: RequestError.self) { try InputItems.parse([["role": "robot"]], named: "items") }
        #expect(error?.param == "items[0].role" && error?.message.hasPrefix("'items[0].role' ") == true)
    }
}

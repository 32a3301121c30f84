import HTTP
import Testing

/// Accept and If-None-Match: lists, weights, repeated fields.
@Suite struct PreferenceTests {
    private func fields(_ name: String, _ values: [String]) throws -> HeaderFields {
        var fields = HeaderFields()
        for value in values { try fields.append(name, value) }
        return fields
    }

    @Test(arguments: [
        (["application/json"], true), (["*/*"], false), (["text/event-stream"], false), (["application/json;q=0"], false),
        (["application/json; q=0.000, */*"], false), (["text/event-stream;q=0", "*/*"], true),
        (["application/*;q=0.2, */*;q=0.1"], true),
        (["application/json;q=0.1, */*;q=0.2"], false), (["application/json;charset=utf-8;q=0.9, text/event-stream;q=0.8"], true),
        (["a/b;x=\"application/json, text/event-stream\""], false), ([], false), ([""], false), (["application/json;q=x"], true),
    ])
    func theWeightsDecide(values: [String], prefersJSON: Bool) throws {
        #expect(try fields("Accept", values).prefers("application/json", over: "text/event-stream") == prefersJSON)
    }

    @Test(arguments: [
        (["\"a\""], true), (["W/\"a\""], true), (["\"b\", \"a\""], true), (["\"b\"", "\"a\""], true), (["*"], true),
        (["\"b,\"a\""], false),
        (["a"], false), (["\"ab\""], false), (["\""], false), ([], false), (["\"b\\\", \"a\""], true),
    ])
    func theTagIsFoundInTheList(values: [String], isNamed: Bool) throws {
        #expect(try fields("If-None-Match", values).noneMatch(names: "\"a\"") == isNamed)
    }
}

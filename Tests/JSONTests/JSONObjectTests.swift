import JSON
import Testing

@Suite struct JSONObjectTests {
    @Test func keepsTheOrderOfKeys() throws {
        for count in [3, 12, 13, 14, 200] {
            let keys = (0..<count).map { "k\(($0 * 7919) % 1009)" }
            let text = "{" + keys.map { "\"\($0)\":null" }.joined(separator: ",") + "}"
            let value = try JSONValue.parse(text)
            #expect(value.object?.keys == keys)
            #expect(value.description == text)
        }
    }

    @Test func setsReplacesAndRemoves() {
        var model: [(String, Int)] = []
        var object = JSONObject()
        var random = SeededGenerator(seed: 11)
        for step in 0..<2000 {
            let key = "k\(Int.random(in: 0..<30, using: &random))"
            let place = model.firstIndex { $0.0 == key }
            if Int.random(in: 0..<3, using: &random) == 0 {
                object[key] = nil
                if let place { model.remove(at: place) }
            } else {
                object[key] = JSONValue(step)
                if let place { model[place].1 = step } else { model.append((key, step)) }
            }
            #expect(object.keys == model.map(\.0), "seed 11, step \(step)")
            #expect(object.map(\.value) == model.map { JSONValue($0.1) }, "seed 11, step \(step)")
        }
    }

    @Test func equalityIgnoresOrderButNotBytes() {
        let one: JSONObject = ["a": 1, "b": [2], "c": .null]
        let other: JSONObject = ["c": .null, "b": [2], "a": 1]
        #expect(one == other)
        #expect(one.hashValue == other.hashValue)
        #expect(one != ["a": 1, "b": [2]])
        #expect(["\u{E9}": 1] as JSONObject != ["e\u{301}": 1])
        #expect(JSONValue.string("\u{E9}") != .string("e\u{301}"))
    }

    @Test func literalsAndAccessors() {
        var value: JSONValue = ["n": .null, "t": true, "i": 7, "d": 1.5, "s": "x", "a": [1, "two"], "o": ["k": "v"]]
        #expect(value["n"]?.isNull == true)
        #expect(value["t"]?.bool == true)
        #expect(value["i"]?.int == 7)
        #expect(value["d"]?.double == 1.5)
        #expect(value["s"]?.string == "x")
        #expect(value["a"]?[1]?.string == "two")
        #expect(value["a"]?[2] == nil)
        #expect(value["a"]?[-1] == nil)
        #expect(value["o"]?["k"] == "v")
        #expect(value["missing"] == nil)
        #expect(value["s"]?["k"] == nil)
        value["i"] = 8
        value["t"] = .some(.null)
        value["n"] = Optional<JSONValue>.none
        #expect(value["i"] == 8)
        #expect(value["t"] == .null)
        #expect(value["n"] == nil)
        #expect(value.description == #"{"t":null,"i":8,"d":1.5,"s":"x","a":[1,"two"],"o":{"k":"v"}}"#)
    }
}

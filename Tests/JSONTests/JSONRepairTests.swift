import Bytes
import JSON
import Testing

@Suite struct JSONRepairTests {
    private func repaired(_ text: [UInt8]) -> JSONValue? {
        var output = ByteBuffer()
        let isRepaired = text.withUnsafeBytes { JSONRepair.repair($0, into: &output) }
        return isRepaired ? try? JSONValue.parse(output.bytes) : nil
    }

    private func repaired(_ text: String) -> JSONValue? { repaired(Array(text.utf8)) }

    @Test(arguments: [
        (#"{"a":NaN,"b":-Infinity,"c":None,"d":True}"#, #"{"a":null,"b":null,"c":null,"d":true}"#),
        (#"{"a":[1,2,],}"#, #"{"a":[1,2]}"#),
        ("{\"a\":\"x\ny\u{1}\"}", #"{"a":"x\ny\u0001"}"#),
        (#"{"a":"x\'y\u12"}"#, #"{"a":"x\\'y\\u12"}"#),
        ("\u{FEFF} {\"a\":1e3}", #"{"a":1e3}"#),
        (#"{"a":"NaN, ]"}"#, #"{"a":"NaN, ]"}"#),
    ])
    func whatIsNearlyJSONIsReadAsWhatItMeans(_ text: String, _ meant: String) throws {
        #expect(repaired(text) == (try JSONValue.parse(meant)))
    }

    @Test func whatIsNestedTooDeepIsNull() {
        let text = "{\"a\":" + String(repeating: "[", count: 5000) + "\"]\"" + String(repeating: "]", count: 5000) + ",\"b\":1}"
        #expect(repaired(text)?["b"]?.int == 1)
    }

    @Test(arguments: [
        "", "ping", "{\"a\":", "{\"a\":\"x", "{\"a\":secret}", "{'a':1}", "<html>", "{\"a\" 1}", "\"x\"", "{\"a\":\"x\\",
    ])
    func whatIsNoJSONStaysSo(_ text: String) {
        #expect(repaired(text) == nil)
    }

    @Test func binaryIsGivenUpEarly() {
        let text = [UInt8(ascii: "{"), UInt8(ascii: "\"")] + [UInt8](repeating: 0xFF, count: 1 << 20)
        var output = ByteBuffer()
        #expect(!text.withUnsafeBytes { JSONRepair.repair($0, into: &output) })
        #expect(output.count < 2 << 20)
    }

    @Test func mutatedTextsDoNoHarm() {
        var random = SystemRandomNumberGenerator()
        let text = Array(#"{"a":[1,-2.5e3,{"b":"x\u00e9\n"},null,true],"c":"é😀","d":{}}"#.utf8)
        for _ in 0..<4000 {
            var changed = text
            for _ in 0..<Int.random(in: 1...6, using: &random) {
                changed[changed.indices.randomElement(using: &random) ?? 0] = UInt8.random(in: 0...255, using: &random)
            }
            _ = repaired(Array(changed.prefix(Int.random(in: 0...changed.count, using: &random))))
        }
    }
}

@Suite struct JSONStringJoinerTests {
    /// The pieces as they are told, joined by `|`, and what the end adds behind `$`.
    private func join(_ pieces: [String]) -> String {
        var joiner = JSONStringJoiner()
        let told = pieces.map { piece -> String in
            var output = ByteBuffer()
            Array(piece.utf8).withUnsafeBytes { joiner.append($0, to: &output) }
            return String(decoding: output.bytes, as: UTF8.self)
        }
        var end = ByteBuffer()
        joiner.flush(to: &end)
        return told.joined(separator: "|") + "$" + String(decoding: end.bytes, as: UTF8.self)
    }

    @Test(arguments: [
        ([#"a\ud83d"#, #"\ude00b"#], "a|😀b$"),
        ([#"a\uD83D\uDE00b"#], "a😀b$"),
        ([#"\ud83d"#, "", "x"], "||\u{FFFD}x$"),
        ([#"\ud83d"#], "$\u{FFFD}"),
        ([#"\ude00"#, #"\\ud83d\n"#], "\u{FFFD}|\\\\ud83d\\n$"),
        ([#"\ud83d\ud83d"#, #"\ude00"#], "\u{FFFD}|😀$"),
        // Bytes that were no UTF-8, as JSONRepair writes them.
        ([#"\udcf0\udc9f"#, #"\udc98\udc80!"#], "|😀!$"),
        ([#"\udcc3"#, #"\udca9"#], "|é$"),
        ([#"\udcff"#, "x"], "\u{FFFD}|x$"),
        ([#"\udcf0"#, #"\udcc3\udca9"#], "|\u{FFFD}é$"),
        ([#"\udce2\udc82"#], "$\u{FFFD}"),
    ])
    func halvesOfCharactersAreJoined(_ pieces: [String], _ expected: String) {
        #expect(join(pieces) == expected)
    }

    @Test(arguments: [
        ("plain é", true), (#"a\nb\\ud83d"#, true), (#"\ud83d\ude00"#, true), (#"\ud83d"#, false), (#"\ude00"#, false),
    ])
    func whatIsWholePasses(_ piece: String, _ passes: Bool) throws {
        let text = Array("\"\(piece)\"".utf8)
        try text.withUnsafeBytes { bytes in
            var reader = JSONReader(bytes)
            let string = try reader.readString()
            #expect(JSONStringJoiner().passes(string) == passes)
        }
    }
}

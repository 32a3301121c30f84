import Bytes
import JSON
import Testing

@Suite struct JSONWriterTests {
    private func written(_ body: (inout ByteBuffer) -> Void) -> String {
        var buffer = ByteBuffer()
        body(&buffer)
        return String(decoding: buffer.bytes, as: UTF8.self)
    }

    @Test func escapesWhatMustBeEscapedAndNoMore() {
        let text = "\u{0}\u{1F}\u{8}\t\n\u{C}\r\"\\/\u{7F}\u{2028}é中😀 a long run without anything special"
        let expected = #""\u0000\u001f\b\t\n\f\r\"\\/"# + "\u{7F}\u{2028}é中😀 a long run without anything special\""
        #expect(written { $0.appendJSONString(text) } == expected)
        #expect(
            written { buffer in Array(text.utf8).withUnsafeBytes { buffer.appendJSONString(utf8: $0) } } == expected)
        #expect(written { $0.appendJSONStringContents(text) } == String(expected.dropFirst().dropLast()))
    }

    @Test func everyControlCharacterAtEveryAlignmentIsReadBack() throws {
        for control in UInt8(0)...0x7F {
            for before in 0..<18 {
                let text = String(repeating: "x", count: before) + String(UnicodeScalar(control)) + "tail é"
                #expect(try JSONValue.parse(written { $0.appendJSONString(text) }).string == text)
            }
        }
    }

    @Test func invalidUTF8IsReplacedAsSwiftDoes() throws {
        var random = SeededGenerator(seed: 5)
        let pieces: [[UInt8]] = [
            [0x80], [0xFF], [0xC0, 0xAF], [0xE2, 0x82], [0xED, 0xA0, 0x80], [0xF0, 0x9F, 0x98],
            [0xF4, 0x90, 0x80, 0x80],
            [0x61], [0x22], [0xC3, 0xA9], [0xE4, 0xB8, 0xAD], [0xF0, 0x9F, 0x98, 0x80],
            [0x78, 0x78, 0x78, 0x78, 0x78, 0x78],
        ]
        for round in 0..<500 {
            let bytes = (0..<8).flatMap { _ in pieces.randomElement(using: &random) ?? [] }
            let text = written { buffer in bytes.withUnsafeBytes { buffer.appendJSONString(utf8: $0) } }
            #expect(
                try JSONValue.parse(text).string == String(decoding: bytes, as: UTF8.self), "seed 5, round \(round)")
        }
    }

    @Test func writesObjectsAndArraysMemberByMember() throws {
        let text = written { buffer in
            buffer.appendJSONObject { event in
                event.field("type", "response.\"delta\"")
                event.field("sequence_number", -7)
                event.field("ok", true)
                event.field("speed", 1.25)
                event.field("nothing", Double.nan)
                event.field("maybe", String?.none)
                event.null("usage")
                event.field("value", ["a": [1]] as JSONValue)
                event.object("empty") { _ in }
                event.array("list") { list in
                    list.element("x")
                    list.element(2)
                    list.object { $0.field("k", "v") }
                    list.array { _ in }
                }
                read(#""\u0041\n""#) { reader in
                    if let raw = try? reader.readString() { event.field("raw", raw) }
                }
            }
        }
        let expected =
            #"{"type":"response.\"delta\"","sequence_number":-7,"ok":true,"speed":1.25,"nothing":null,"maybe":null,"#
            + #""usage":null,"value":{"a":[1]},"empty":{},"list":["x",2,{"k":"v"},[]],"raw":"\u0041\n"}"#
        #expect(text == expected)
        #expect(try JSONValue.parse(text)["raw"] == "A\n")
    }

    @Test func serializedIsTheDescriptionAsUTF8() {
        let value: JSONValue = ["é": ["\n", .null, 1.5, false]]
        #expect(value.description == #"{"é":["\n",null,1.5,false]}"#)
        #expect(value.serialized() == Array(value.description.utf8))
    }
}

import Bytes
import JSON
import Testing

@Suite struct JSONReaderTests {
    static let chunk = #"""
        {"id":"chatcmpl-BxYz","object":"chat.completion.chunk","created":1723456789,"model":"gpt-4o-mini-2024-07-18",
        "service_tier":"default","system_fingerprint":"fp_34a54ae93c","choices":[{"index":0,"delta":{"role":null,
        "content":" he said \"no\"\n"},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"Qw3rT"}
        """#

    static func content<T>(_ reader: inout JSONReader, _ use: (RawString) throws -> T) throws -> T? {
        var result: T?
        try reader.enterObject()
        while let key = try reader.nextKey() {
            guard key == "choices" else {
                try reader.skipValue()
                continue
            }
            try reader.enterArray()
            while try reader.nextElement() {
                try reader.enterObject()
                while let key = try reader.nextKey() {
                    guard key == "delta" else {
                        try reader.skipValue()
                        continue
                    }
                    try reader.enterObject()
                    while let key = try reader.nextKey() {
                        switch key {
                        case "content": result = try reader.readStringOrNull().map(use)
                        default: try reader.skipValue()
                        }
                    }
                }
            }
        }
        try reader.finish()
        return result
    }

    @Test func findsTheContentOfAChatChunk() throws {
        #expect(try read(Self.chunk) { try Self.content(&$0) { $0.string() } } == " he said \"no\"\n")
        let raw = try read(Self.chunk) { reader in
            try Self.content(&reader) { raw in
                var buffer = ByteBuffer()
                buffer.append("{\"delta\":\"" as StaticString)
                raw.appendRaw(to: &buffer)
                buffer.append("\"}" as StaticString)
                return buffer.array
            }
        }
        #expect(try JSONValue.parse(try #require(raw))["delta"] == " he said \"no\"\n")
    }

    @Test func comparesKeysByTheirUnescapedText() throws {
        for text in [#"{"type":0}"#, #"{"\u0074y\u0070e":0}"#] {
            try read(text) { reader in
                try reader.enterObject()
                let key = try #require(try reader.nextKey())
                #expect(key == "type")
                #expect(key != "typ")
                #expect(key != "types")
                #expect(key != "tyqe")
                #expect(key != "")
            }
        }
        try read(#""\ud83d\ude00\u20ac""#) { reader in
            let string = try reader.readString()
            #expect(string == "😀€")
            #expect(string != "😀")
            #expect(string != "😀€.")
        }
    }

    @Test func passesSpansThroughVerbatim() throws {
        let text = #"{ "a" : [1.00 , "\u0041"] , "b":2e0 }"#
        try read(text) { reader in
            try reader.enterObject()
            #expect(try reader.nextKey().map { $0 == "a" } == true)
            #expect(String(decoding: try reader.rawValue(), as: UTF8.self) == #"[1.00 , "\u0041"]"#)
            #expect(try reader.nextKey().map { $0 == "b" } == true)
            #expect(String(decoding: try reader.rawValue(), as: UTF8.self) == "2e0")
            #expect(try reader.nextKey() == nil)
            try reader.finish()
        }
    }

    @Test func peekTellsTheKindAndReadsNothing() throws {
        let kinds: [(String, JSONKind)] = [
            (" {}", .object), ("[]", .array), ("\"\"", .string), ("-1", .number), ("0", .number), ("true", .bool),
            ("false", .bool), ("null", .null),
        ]
        for (text, kind) in kinds {
            try read(text) { reader in
                #expect(try reader.peek() == kind)
                #expect(try reader.peek() == kind)
                try reader.skipValue()
                try reader.finish()
            }
        }
    }

    @Test func aValueOfAnotherKindIsAnErrorThatNamesTheExpectedOne() {
        func reason(_ text: String, _ body: (inout JSONReader) throws -> Void) -> JSONError.Reason? {
            do {
                try read(text, body)
                return nil
            } catch {
                return (error as? JSONError)?.reason
            }
        }
        #expect(reason("1") { _ = try $0.readString() } == .expectedString)
        #expect(reason("\"1\"") { _ = try $0.readInt() } == .expectedNumber)
        #expect(reason("null") { _ = try $0.readBool() } == .expectedBool)
        #expect(reason("[]") { try $0.enterObject() } == .expectedObject)
        #expect(reason("{}") { try $0.enterArray() } == .expectedArray)
        #expect(reason("1") { _ = try $0.readNull() } == nil)
        #expect(reason("nil") { _ = try $0.readNull() } == .expectedValue)
    }

    @Test func misuseGivesErrorsAndNeverTraps() throws {
        #expect(throws: JSONError.self) {
            try read("}}}") { reader in
                while try reader.nextKey() == nil {}
            }
        }
        #expect(throws: JSONError.self) {
            try read(#"{"a":1,"b":2}"#) { reader in
                try reader.enterObject()
                _ = try reader.nextKey()
                _ = try reader.nextKey()
            }
        }
        #expect(throws: JSONError.self) { try UnsafeRawBufferPointer(start: nil, count: 0).firstValue() }
    }

    @Test func unescapesIntoABuffer() throws {
        let raw = #""\u0000\"\\\/\b\f\n\r\t é 中 \ud83d\ude00 \ud83d plain text that is longer than a word""#
        let buffer = try read(raw) { reader in
            var buffer = ByteBuffer()
            buffer.append(UInt8(ascii: ">"))
            try reader.readString().append(unescapedTo: &buffer)
            return buffer.array
        }
        #expect(
            String(decoding: buffer, as: UTF8.self)
                == ">\u{0}\"\\/\u{8}\u{C}\n\r\t é 中 😀 \u{FFFD} plain text that is longer than a word")
    }

    @Test func halvesOfAPairSplitBetweenChunksBecomeWholeWhenAppendedRaw() throws {
        var buffer = ByteBuffer()
        buffer.append(UInt8(ascii: "\""))
        for half in [#""a\ud83d""#, #""\ude00b""#] {
            try half.utf8.map { $0 }.withUnsafeBytes { bytes in
                var reader = JSONReader(bytes)
                try reader.readString().appendRaw(to: &buffer)
            }
        }
        buffer.append(UInt8(ascii: "\""))
        #expect(try JSONValue.parse(buffer.array) == "a😀b")
    }
}

extension UnsafeRawBufferPointer {
    fileprivate func firstValue() throws -> JSONValue {
        var reader = JSONReader(self)
        return try reader.readValue()
    }
}

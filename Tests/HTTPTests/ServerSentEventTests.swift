import Bytes
import HTTP
import Testing

@Suite struct ServerSentEventTests {
    func written(_ write: (inout ByteBuffer) throws -> Void) rethrows -> String {
        var output = ByteBuffer()
        try write(&output)
        return String(decoding: output.bytes, as: UTF8.self)
    }

    @Test func writesTheOpenAIForms() throws {
        let text = try written { output in
            ServerSentEventWriter.appendHeartbeat(into: &output)
            try ServerSentEventWriter.begin(type: "response.created", into: &output)
            output.append("{}")
            ServerSentEventWriter.end(into: &output)
            ServerSentEventWriter.appendDone(into: &output)
        }
        #expect(text == ":\nevent: response.created\ndata: {}\n\ndata: [DONE]\n\n")
    }

    @Test func writesTheNativeForm() throws {
        let text = try written { output in
            try ServerSentEventWriter.begin(type: "t", run: "r", sequence: 18, retryMilliseconds: 250, into: &output)
            output.append("x")
            ServerSentEventWriter.end(into: &output)
            try ServerSentEventWriter.begin(sequence: 19, into: &output)
            ServerSentEventWriter.end(into: &output)
        }
        #expect(text == "event: t\nid: r:18\nretry: 250\ndata: x\n\nid: 19\ndata: \n\n")
    }

    @Test(arguments: [
        ("", "data: \n\n"), ("a", "data: a\n\n"), (" a", "data:  a\n\n"),
        ("a\nb\r\nc\rd", "data: a\ndata: b\ndata: c\ndata: d\n\n"),
        ("\n", "data: \ndata: \n\n"), ("a\r\r\n", "data: a\ndata: \ndata: \n\n"),
    ])
    func linesOfDataBecomeDataLines(data: String, expected: String) throws {
        let text = try written { output in
            try data.utf8.withContiguousBytes { data in try ServerSentEventWriter.append(data, into: &output) }
        }
        #expect(text == expected)
    }

    @Test func commentsCannotBecomeFields() {
        let text = written { output in
            "a\ndata: b\r".utf8.withContiguousBytes { ServerSentEventWriter.appendComment($0, into: &output) }
        }
        #expect(text == ": a\n: data: b\n: \n")
    }

    @Test(arguments: ["a\nb", "a\rb", "a\r\n", "\0"])
    func fieldsThatWouldBreakOutAreRefused(text: String) {
        var output = ByteBuffer()
        #expect(throws: ServerSentEventFieldError.invalidID) {
            try ServerSentEventWriter.begin(id: text, into: &output)
        }
        #expect(throws: ServerSentEventFieldError.invalidID) {
            try ServerSentEventWriter.begin(run: text, sequence: 1, into: &output)
        }
        if text != "\0" {
            #expect(throws: ServerSentEventFieldError.invalidType) {
                try ServerSentEventWriter.begin(type: text, into: &output)
            }
        }
        #expect(output.array == [])
    }

    @Test func whatIsWrittenIsReadInAllSplits() throws {
        let seed = UInt64.random(in: 0 ... .max)
        var generator = SeededGenerator(state: seed)
        let alphabet = Array("ab: é😀\n")
        for _ in 0..<200 {
            var output = ByteBuffer()
            var expected = StreamOutcome()
            for index in 0..<Int.random(in: 1...5, using: &generator) {
                let data = String(
                    (0..<Int.random(in: 0...30, using: &generator)).compactMap { _ in
                        alphabet.randomElement(using: &generator)
                    })
                let type = Bool.random(using: &generator) ? "t\(index)" : nil
                let id = Bool.random(using: &generator) ? "i\(index)" : nil
                try data.utf8.withContiguousBytes { data in
                    try ServerSentEventWriter.append(data, type: type, id: id, into: &output)
                }
                if Bool.random(using: &generator) { ServerSentEventWriter.appendHeartbeat(into: &output) }
                expected.events.append([type ?? "message", data])
                expected.lastEventID = id ?? expected.lastEventID
            }
            #expect(readStream(output.array.asOnePart) == expected, "seed \(seed)")
            #expect(readStream(output.array.splitAtRandom(&generator)) == expected, "seed \(seed)")
        }
    }

    @Test func aSingleDataLineIsAViewIntoTheInput() throws {
        var parser = ServerSentEventParser()
        try "data: hi\n\n".utf8.withContiguousBytes { bytes in
            var input = bytes
            let event = try parser.next(&input)
            #expect(event?.data.baseAddress == bytes.baseAddress.map { $0 + 6 })
        }
    }

    @Test func theReceiverMayStopAndKeepTheRest() throws {
        struct Receiver: ServerSentEventReceiver {
            var texts: [String] = []
            mutating func receive(_ event: ServerSentEvent) -> Bool {
                texts.append(event.dataText)
                return !event.isDone
            }
        }
        var parser = ServerSentEventParser()
        var receiver = Receiver()
        try "data: a\n\ndata: [DONE]\n\ndata: late\n\n".utf8.withContiguousBytes { bytes in
            let rest = try parser.receive(bytes, &receiver)
            #expect(String(decoding: rest, as: UTF8.self) == "data: late\n\n")
        }
        #expect(receiver.texts == ["a", "[DONE]"])
    }

    @Test func aNewConnectionKeepsTheLastEventID() throws {
        var parser = ServerSentEventParser()
        func read(_ text: String, _ parser: inout ServerSentEventParser) throws -> [String] {
            try text.utf8.withContiguousBytes { bytes in
                var input = bytes
                var texts: [String] = []
                while let event = try parser.next(&input) { texts.append(event.dataText) }
                return texts
            }
        }
        #expect(try read("retry: 5\nid: 1\ndata: a\n\nid: 2\ndata: cut", &parser) == ["a"])
        parser.reset()
        #expect(try read("\u{FEFF}data: b\n\n", &parser) == ["b"])
        let id = String(decoding: parser.lastEventID, as: UTF8.self)
        let retry = parser.retryMilliseconds
        #expect(id == "1" && retry == 5)
    }
}

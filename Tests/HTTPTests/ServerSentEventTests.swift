import Bytes
import HTTP
import Testing

@Suite struct ServerSentEventTests {
    func written(_ write: (inout ByteBuffer) -> Void) -> String {
        var output = ByteBuffer()
        write(&output)
        return String(decoding: output.bytes, as: UTF8.self)
    }

    @Test func writesTheOpenAIForms() {
        let text = written { output in
            ServerSentEventWriter.appendHeartbeat(into: &output)
            ServerSentEventWriter.begin(type: "response.created", into: &output)
            output.append("{}")
            ServerSentEventWriter.end(into: &output)
            ServerSentEventWriter.appendDone(into: &output)
        }
        #expect(text == ":\nevent: response.created\ndata: {}\n\ndata: [DONE]\n\n")
    }

    struct Writing: Decodable, Sendable, CustomTestStringConvertible {
        let name: String
        let id: Int?
        let epoch: Int?
        let type: String?
        let retry: Int?
        let data: String
        /// The data as they are read back, where that differs: line ends are LF.
        let read: String?
        let text: String
        var testDescription: String { name }
    }

    static let writings: [Writing] = (try? vectors("sse/writing.json", of: Writing.self)) ?? []

    @Test func thereAreVectors() { #expect(Self.writings.count >= 12) }

    @Test(arguments: writings)
    func writesTheFieldsAndIsReadBack(_ vector: Writing) {
        let text = written { output in
            vector.data.utf8.withContiguousBytes {
                ServerSentEventWriter.append(
                    $0, id: vector.id, epoch: vector.epoch ?? 0, type: vector.type, retryMilliseconds: vector.retry,
                    into: &output)
            }
        }
        #expect(text == vector.text)
        let epoch = vector.epoch.map { "\($0):" } ?? ""
        let outcome = StreamOutcome(
            events: [[vector.type ?? "message", vector.read ?? vector.data]],
            lastEventID: vector.id.map { "\(epoch)\($0)" } ?? "", retry: vector.retry)
        #expect(readStream([Array(text.utf8)]) == outcome)
    }

    @Test func commentsCannotBecomeFields() {
        let text = written { output in
            "a\ndata: b\r".utf8.withContiguousBytes { ServerSentEventWriter.appendComment($0, into: &output) }
        }
        #expect(text == ": a\n: data: b\n: \n")
    }

    @Test func whatIsWrittenIsReadInAllSplits() {
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
                let id = Bool.random(using: &generator) ? index : nil
                data.utf8.withContiguousBytes { ServerSentEventWriter.append($0, id: id, type: type, into: &output) }
                if Bool.random(using: &generator) { ServerSentEventWriter.appendHeartbeat(into: &output) }
                expected.events.append([type ?? "message", data])
                expected.lastEventID = id.map(String.init) ?? expected.lastEventID
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

import HTTP
import Testing

@Suite struct ServerSentEventLeniencyTests {
    /// Type and data of each event, in pieces of each size; the last is the one that was under way at the end.
    private static func read(_ text: String, isLenient: Bool = true) -> [[[String]]] {
        [1, 3, 1000].map { size in
            var parser = ServerSentEventParser(isLenient: isLenient)
            var events: [[String]] = []
            let bytes = Array(text.utf8)
            for start in stride(from: 0, to: bytes.count, by: size) {
                bytes[start..<min(start + size, bytes.count)].withUnsafeBytes { piece in
                    var input = piece
                    while let event = try? parser.next(&input) { events.append([event.typeText, event.dataText]) }
                }
            }
            if let event = parser.unfinishedEvent() { events.append(["unfinished " + event.typeText, event.dataText]) }
            return events
        }
    }

    @Test(
        arguments: [
            ("error: {\"code\":400}\n\ndata: [DONE]\n\n", [["error", "{\"code\":400}"], ["message", "[DONE]"]]),
            ("data: a\n\n{\"error\":1}\n\ndata: b\n\n", [["message", "a"], ["message", "{\"error\":1}"], ["message", "b"]]),
            ("{\n  \"error\": {\n    \"code\": 1\n  }\n}\n\n", [["message", "{\n  \"error\": {\n    \"code\": 1\n  }\n}"]]),
            ("data: a\n\nevent: error\ndata: b", [["message", "a"], ["unfinished error", "b"]]),
            ("data: a\n\ndata: b\n", [["message", "a"], ["unfinished message", "b"]]),
            ("data: a\n\n", [["message", "a"]]),
            // Two objects are no JSON together: the empty lines between them are missing.
            (
                "data: {\"a\":1}\ndata: {\"b\":2}\r\ndata:[DONE]\n",
                [["message", "{\"a\":1}"], ["message", "{\"b\":2}"], ["message", "[DONE]"]]
            ),
            (
                "{\"a\":1}\n{\"b\":2}\n{\"c\"",
                [["message", "{\"a\":1}"], ["message", "{\"b\":2}"], ["unfinished message", "{\"c\""]]
            ),
            ("event: x\ndata: {}\ndata: {}\nevent: y\ndata: {}\n", [["x", "{}"], ["message", "{}"], ["y", "{}"]]),
            // A type behind data is the next event's, where there is one.
            ("event: x\ndata: {}\nevent: y\ndata: {}\nevent: z\ndata: {}\n", [["x", "{}"], ["y", "{}"], ["z", "{}"]]),
            ("data: {}\nevent: y\n\ndata: {}\n\n", [["y", "{}"], ["message", "{}"]]),
            ("event: x\ndata: {}\nevent:\n\n", [["message", "{}"]]),
            ("data: {}\nevent: y\ndata: x\n\n", [["y", "{}\nx"]]),
            ("data: {\ndata: }\n\ndata: {}\n\n", [["message", "{\n}"], ["message", "{}"]]),
            ("data: {}\ndata: x\n\n", [["message", "{}\nx"]]),
        ] as [(String, [[String]])])
    func whatServersAddIsTaken(_ text: String, _ events: [[String]]) {
        for found in Self.read(text) { #expect(found == events) }
    }

    /// A look at the data for each of the lines would take minutes.
    @Test func aLineCostsItsOwnLengthHoweverLargeTheDataBeforeIt() {
        let size = 8 << 20
        var parser = ServerSentEventParser(isLenient: true)
        let lines =
            ["data: {\(String(repeating: "x", count: size))}\n"] + Array(repeating: ":\nx\nid: 1\n", count: 100_000) + ["\n"]
        var sizes: [Int] = []
        let text = Array(lines.joined().utf8)
        for start in stride(from: 0, to: text.count, by: 16 << 10) {
            text[start..<min(start + (16 << 10), text.count)].withUnsafeBytes { piece in
                var input = piece
                while let event = try? parser.next(&input) { sizes.append(event.data.count) }
            }
        }
        #expect(sizes == [size + 2])
    }

    @Test func theStandardPassesItOver() {
        for found in Self.read("error: x\n\n{\"a\":1}\n\ndata: b\n\n", isLenient: false) { #expect(found == [["message", "b"]]) }
        for found in Self.read("data: {}\ndata: {}\n\n", isLenient: false) { #expect(found == [["message", "{}\n{}"]]) }
    }
}

import Bytes
import HTTP
import Testing

@Suite struct RequestParserTests {
    @Test func stopsAfterTheHeadAndLeavesTheRestToAnotherProtocol() throws {
        let text =
            "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\r\n\u{01}\n\r"
        var parser = RequestParser()
        try Array(text.utf8).withUnsafeBytes { bytes in
            var input = bytes
            guard case .head(let head) = try parser.next(&input) else { throw Unexpected() }
            #expect(head.asksForUpgrade(to: "websocket"))
            #expect(!head.asksForUpgrade(to: "h2c"))
            #expect(Array(input) == [1, 10, 13])
        }
    }

    @Test func stopsAfterEachRequestOfAPipeline() throws {
        let one = "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n"
        let two = "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n"
        var parser = RequestParser()
        try Array((one + two).utf8).withUnsafeBytes { bytes in
            var input = bytes
            guard case .head(let first) = try parser.next(&input), case .end = try parser.next(&input) else {
                throw Unexpected()
            }
            #expect(first.target.path == "/1")
            #expect(input.count == two.utf8.count)
            let isIdle = parser.isIdle
            #expect(isIdle)
            guard case .head(let second) = try parser.next(&input) else { throw Unexpected() }
            #expect(second.target.path == "/2")
        }
    }

    @Test func bodyIsAViewIntoTheInput() throws {
        let text = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
        var parser = RequestParser()
        try Array(text.utf8).withUnsafeBytes { bytes in
            var input = bytes
            _ = try parser.next(&input)
            guard case .body(let body) = try parser.next(&input) else { throw Unexpected() }
            #expect(body.baseAddress == bytes.baseAddress.map { $0 + (bytes.count - 3) })
        }
    }

    @Test func tellsIdleFromBegunHeadFromBody() throws {
        var parser = RequestParser()
        func feed(_ text: String, _ parser: inout RequestParser) throws {
            try Array(text.utf8).withUnsafeBytes { bytes in
                var input = bytes
                while true {
                    if case .needsMoreBytes = try parser.next(&input) { return }
                }
            }
        }
        func phase(_ parser: borrowing RequestParser) -> String {
            parser.isIdle ? "idle" : parser.isReadingHead ? "head" : "body"
        }
        var phases = [phase(parser)]
        for text in ["\r\n", "P", "OST / HTTP/1.1\r\nHost: a\r\nContent-Len", "gth: 2\r\n\r\na", "b"] {
            try feed(text, &parser)
            phases.append(phase(parser))
        }
        #expect(phases == ["idle", "head", "head", "head", "body", "idle"])
    }

    @Test func aRouteLowersTheBodyLimitForOneRequest() throws {
        let announced = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
        let chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
        for text in [announced, chunked] {
            var parser = RequestParser()
            Array((announced + text).utf8).withUnsafeBytes { bytes in
                var input = bytes
                #expect(throws: Never.self) {
                    _ = try parser.next(&input)
                    try parser.restrictBody(toBytes: 3)
                    _ = try parser.next(&input)
                    _ = try parser.next(&input)
                    _ = try parser.next(&input)
                }
                #expect(throws: MessageError.bodyTooLarge(limitBytes: 2)) {
                    try parser.restrictBody(toBytes: 2)
                    _ = try parser.next(&input)
                }
            }
        }
    }

    @Test func theNextRequestHasTheGeneralLimitAgain() throws {
        let chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
        let longer = chunked.replacing("3\r\nabc", with: "4\r\nabcd")
        var parser = RequestParser()
        var heads = 0
        var ends = 0
        try Array((chunked + longer).utf8).withUnsafeBytes { bytes in
            var input = bytes
            while true {
                switch try parser.next(&input) {
                case .head:
                    if heads == 0 { try parser.restrictBody(toBytes: 3) }
                    heads += 1
                case .body: break
                case .end: ends += 1
                case .needsMoreBytes: return
                }
            }
        }
        #expect(ends == 2)
    }

    @Test func anErrorIsFinal() {
        var parser = RequestParser()
        for text in ["GET / HTTP/1.1\n", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"] {
            Array(text.utf8).withUnsafeBytes { bytes in
                var input = bytes
                #expect(throws: MessageError.bareLineFeed) { _ = try parser.next(&input) }
            }
        }
    }

    @Test func fieldsAreFoundInAnyCaseAndAsLists() {
        let text =
            "GET / HTTP/1.1\r\nHost: a\r\nAccept: text/html;q=0.5, \"x,text/css\", Text/Event-Stream;q=1\r\n"
            + "ACCEPT: application/json\r\nX-Empty:\r\n\r\n"
        guard let head = readRequests(Array(text.utf8).asOnePart).heads.first else {
            Issue.record("no head")
            return
        }
        let fields = head.fields
        #expect(fields["hOST"] == "a" && fields["x-empty"] == "" && fields["nothing"] == nil)
        #expect(fields.values(of: "accept").count == 2 && fields.count(of: "Accept") == 2)
        #expect(fields.list("accept", contains: "text/event-stream"))
        #expect(fields.list("accept", contains: "application/json"))
        #expect(!fields.list("accept", contains: "text/css"))
        #expect(fields.contains("HOST") && !fields.contains("Hos"))
        #expect(fields.withValue(of: "Host") { $0.count } == 1)
        #expect(head.authority == "a" && head.contentLength == 0)
    }

    struct Unexpected: Error {}
}

import Bytes
import HTTP
import Testing

@Suite struct ResponseWriterTests {
    static let date = "Sun, 06 Nov 1994 08:49:37 GMT"

    func text(_ output: borrowing ByteBuffer) -> String { String(decoding: output.bytes, as: UTF8.self) }

    @Test func writesAnAnswerWithLength() throws {
        var output = ByteBuffer()
        var writer = ResponseWriter(keepAlive: true)
        try "{}".utf8.withContiguousBytes {
            try writer.respond(.ok, contentType: "application/json", body: $0, date: Self.date, into: &output)
        }
        #expect(
            text(output) == "HTTP/1.1 200 OK\r\nDate: \(Self.date)\r\nContent-Type: application/json\r\n"
                + "Content-Length: 2\r\n\r\n{}")
        #expect(writer.keepAlive)
    }

    @Test func oneEventIsOneChunk() {
        var output = ByteBuffer()
        var writer = ResponseWriter(keepAlive: true)
        writer.begin(.ok, date: nil, into: &output)
        writer.endHead(.unknown, into: &output)
        let piece = writer.beginPiece(into: &output)
        ServerSentEventWriter.begin(type: "a", into: &output)
        output.append("{}")
        ServerSentEventWriter.end(into: &output)
        writer.endPiece(piece, into: &output)
        let empty = writer.beginPiece(into: &output)
        writer.endPiece(empty, into: &output)
        writer.end(into: &output)
        #expect(
            text(output) == "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                + "13\r\nevent: a\ndata: {}\n\n\r\n0\r\n\r\n")
    }

    @Test func piecesOfEverySizeComeBack() {
        for size in [1, 15, 16, 255, 256, 4095, 4096, 65_535, 65_536] {
            let data = (0..<size).map { UInt8(truncatingIfNeeded: $0 % 251) }
            var output = ByteBuffer()
            var writer = ResponseWriter(keepAlive: true)
            writer.begin(.ok, date: nil, into: &output)
            writer.endHead(.unknown, into: &output)
            for _ in 0..<2 {
                let piece = writer.beginPiece(into: &output)
                output.append(data)
                writer.endPiece(piece, into: &output)
                data.withUnsafeBytes { writer.write($0, into: &output) }
            }
            writer.end(into: &output)
            var body: [UInt8] = []
            var parser = ResponseParser()
            var input = output.bytes
            var isComplete = false
            #expect(throws: Never.self) {
                while !isComplete {
                    switch try parser.next(&input) {
                    case .body(let part): body.append(contentsOf: part)
                    case .end: isComplete = true
                    case .head: break
                    case .needsMoreBytes: return
                    }
                }
            }
            #expect(isComplete && body == data + data + data + data, "size \(size)")
            let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\(String(size, radix: 16))\r\n"
            let startsWithSize = output.bytes.starts(with: head.utf8)
            #expect(startsWithSize, "size \(size)")
        }
    }

    @Test func sizesOfDifferentLengthFollowEachOther() {
        var output = ByteBuffer()
        var writer = ResponseWriter(keepAlive: true)
        writer.begin(.ok, date: nil, into: &output)
        writer.endHead(.unknown, into: &output)
        var expected = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        for size in [200, 256, 0, 300, 5, 4096, 0, 255, 15, 16, 70_000, 1] {
            let data = String(repeating: "x", count: size)
            let piece = writer.beginPiece(into: &output)
            output.append(data)
            writer.endPiece(piece, into: &output)
            if size > 0 { expected += "\(String(size, radix: 16))\r\n\(data)\r\n" }
        }
        writer.end(into: &output)
        #expect(text(output) == expected + "0\r\n\r\n")
    }

    @Test(arguments: [(HTTPMethod.head, 200), (.get, 204), (.get, 304)])
    func noBodyWhereNoneMayBe(method: HTTPMethod, code: Int) {
        for length in [BodyLength.bytes(3), .unknown] {
            var output = ByteBuffer()
            var writer = ResponseWriter(method: method, keepAlive: true)
            writer.begin(HTTPStatus(code), date: nil, into: &output)
            writer.endHead(length, into: &output)
            "abc".utf8.withContiguousBytes { writer.write($0, into: &output) }
            let piece = writer.beginPiece(into: &output)
            output.append("abc")
            writer.endPiece(piece, into: &output)
            writer.end(into: &output)
            #expect(text(output).hasSuffix("\r\n\r\n") && writer.keepAlive)
            #expect(text(output).contains("Content-Length: 3") == (method == .head && length == .bytes(3)))
        }
    }

    @Test func oldClientsGetTheirBodyUntilTheClose() {
        var output = ByteBuffer()
        var writer = ResponseWriter(minorVersion: 0, keepAlive: true)
        writer.begin(.ok, date: nil, into: &output)
        writer.endHead(.unknown, into: &output)
        "abc".utf8.withContiguousBytes { writer.write($0, into: &output) }
        writer.end(into: &output)
        #expect(text(output) == "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc" && !writer.keepAlive)
    }

    @Test func keepAliveIsSaidToOldClientsAndCloseToAll() {
        for (minorVersion, keepAlive, line) in [
            (0, true, "Connection: keep-alive\r\n"), (1, false, "Connection: close\r\n"),
        ] {
            var output = ByteBuffer()
            var writer = ResponseWriter(minorVersion: minorVersion, keepAlive: keepAlive)
            writer.begin(.noContent, date: nil, into: &output)
            writer.endHead(.bytes(0), into: &output)
            #expect(text(output).contains(line))
        }
    }

    @Test func tooMuchIsDroppedAndTooLittleCloses() {
        var output = ByteBuffer()
        var writer = ResponseWriter(keepAlive: true)
        writer.begin(.ok, date: nil, into: &output)
        writer.endHead(.bytes(3), into: &output)
        "abcdef".utf8.withContiguousBytes { writer.write($0, into: &output) }
        writer.end(into: &output)
        #expect(text(output).hasSuffix("\r\n\r\nabc") && writer.keepAlive)
        writer.begin(.ok, date: nil, into: &output)
        writer.endHead(.bytes(3), into: &output)
        writer.end(into: &output)
        #expect(!writer.keepAlive)
    }

    @Test func fieldsCannotInjectOrContradictTheFraming() {
        var output = ByteBuffer()
        var writer = ResponseWriter(keepAlive: true)
        #expect(throws: FieldError.invalidValue(name: "X")) { try writer.field("X", "a\r\nB: c", into: &output) }
        #expect(throws: FieldError.invalidName("X:")) { try writer.field("X:", "a", into: &output) }
        for name in ["content-length", "Transfer-Encoding", "CONNECTION"] {
            #expect(throws: FieldError.reserved(name: name)) { try writer.field(name, "1", into: &output) }
        }
        #expect(output.array == [])
    }

    @Test func upgradeIsAnsweredWithItsOwnConnectionField() throws {
        var output = ByteBuffer()
        var writer = ResponseWriter(keepAlive: true)
        writer.begin(.switchingProtocols, date: Self.date, into: &output)
        try writer.field("Connection", "Upgrade", into: &output)
        writer.endHead(.unknown, into: &output)
        #expect(text(output) == "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\r\n")
    }

    /// RFC 9110 §7.8: whoever sends Upgrade names it in Connection too.
    @Test func anUpgradeThatIsOfferedStandsInTheConnectionField() throws {
        for (keepAlive, minorVersion, connection) in [
            (true, 1, "Upgrade"), (false, 1, "Upgrade, close"), (true, 0, "Upgrade, keep-alive"),
        ] {
            var output = ByteBuffer()
            var writer = ResponseWriter(minorVersion: minorVersion, keepAlive: keepAlive)
            writer.begin(.upgradeRequired, date: nil, into: &output)
            try writer.field("upgrade", "websocket", into: &output)
            writer.endHead(.bytes(0), into: &output)
            #expect(text(output).hasPrefix("HTTP/1.1 426 Upgrade Required\r\nupgrade: websocket\r\n"))
            #expect(text(output).hasSuffix("\r\nConnection: \(connection)\r\n\r\n"))
            // The next answer of the connection offers nothing.
            output = ByteBuffer()
            writer.begin(.ok, date: nil, into: &output)
            writer.endHead(.bytes(0), into: &output)
            #expect(!text(output).contains("Upgrade"))
        }
    }

    @Test func requestsComeBackAsTheyWereWritten() throws {
        var output = ByteBuffer()
        for length in [nil, BodyLength.bytes(5), .unknown] {
            var writer = RequestWriter()
            try writer.begin(.post, target: "/v1?x=1", host: "a:80", into: &output)
            try writer.field("X", "é", into: &output)
            writer.endHead(length, into: &output)
            "hello".utf8.withContiguousBytes { writer.write($0, into: &output) }
            writer.end(into: &output)
        }
        let line = "POST /v1?x=1 HTTP/1.1"
        #expect(
            readRequests(output.array.octetByOctet).events == [
                "\(line) none keep-alive", "end", "\(line) length 5 keep-alive", "body hello", "end",
                "\(line) chunked keep-alive", "body hello", "end",
            ])
        #expect(throws: FieldError.invalidValue(name: "target")) {
            try RequestWriter().begin(.get, target: "/ HTTP/1.1\r\nX: y", host: "a", into: &output)
        }
    }
}

extension Collection<UInt8> {
    func withContiguousBytes<R, E: Error>(_ body: (UnsafeRawBufferPointer) throws(E) -> R) throws(E) -> R {
        try Array(self).withUnsafeBufferPointer { (octets) throws(E) in try body(UnsafeRawBufferPointer(octets)) }
    }
}

import Bytes
import HTTP
import Testing

/// A form as it was read: what parts there were, with what in them.
private struct ReadForm: Equatable {
    struct Part: Equatable {
        var name: String
        var filename: String?
        var contentType: String?
        var data: [UInt8] = []
    }

    var parts: [Part] = []
    var ended = 0
    var error: MultipartError?
}

private func read(
    _ pieces: [[UInt8]], contentType: String = "multipart/form-data; boundary=xyz",
    limits: MultipartParser.Limits = MultipartParser.Limits()
) -> ReadForm {
    var form = ReadForm()
    do throws(MultipartError) {
        var parser = try MultipartParser(contentType: contentType, limits: limits)
        for piece in pieces {
            // `withUnsafeBytes` loses the error's type.
            let failure: MultipartError? = piece.withUnsafeBytes { bytes in
                var input = bytes
                do throws(MultipartError) {
                    while true {
                        switch try parser.next(&input) {
                        case .needsMoreBytes: return nil
                        case .part(let head):
                            form.parts.append(.init(name: head.name, filename: head.filename, contentType: head.contentType))
                        case .data(let data): form.parts[form.parts.count - 1].data += data
                        case .partEnd: form.ended += 1
                        case .end: break
                        }
                    }
                } catch {
                    return error
                }
            }
            if let failure { throw failure }
        }
        try parser.finish()
    } catch {
        form.error = error
    }
    return form
}

private func read(_ text: String, limits: MultipartParser.Limits = MultipartParser.Limits()) -> ReadForm {
    read([Array(text.utf8)], limits: limits)
}

private let head = "Content-Disposition: form-data; name=\"a\"\r\n\r\n"

@Suite struct MultipartParserTests {
    @Test func aFormIsReadAsItWasWritten() {
        let form = read(
            """
            --xyz\r
            Content-Disposition: form-data; name="purpose"\r
            \r
            batch\r
            --xyz\r
            content-disposition: form-data; name="expires_after[anchor]"\r
            \r
            \r
            --xyz\r
            Content-Disposition: form-data; name="file"; filename="a \\"b\\" \\\\ c.jsonl"\r
            Content-Type: application/octet-stream\r
            \r
            line 1\r
            --xy is no boundary\r
            \r
            --xyz--\r

            """)
        #expect(form.error == nil)
        #expect(form.ended == 3)
        #expect(
            form.parts == [
                .init(name: "purpose", data: Array("batch".utf8)), .init(name: "expires_after[anchor]"),
                .init(
                    name: "file", filename: "a \"b\" \\ c.jsonl", contentType: "application/octet-stream",
                    data: Array("line 1\r\n--xy is no boundary\r\n".utf8)),
            ])
    }

    /// Whatever the data are, and however they are cut on their way.
    @Test func dataComeThroughUnchangedHoweverTheyAreCut() {
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = SeededGenerator(state: seed)
        // What a delimiter is made of, so that its beginnings are everywhere.
        let alphabet = Array("\r\n--xyz-a".utf8)
        for _ in 0..<400 {
            let contents = (0..<Int.random(in: 1...3, using: &random)).map { _ in
                (0..<Int.random(in: 0...80, using: &random)).map { _ in alphabet.randomElement(using: &random) ?? 0 }
            }
            // Data that hold the delimiter are another form.
            if contents.contains(where: { ([13, 10] + $0).containsRun(Array("\r\n--xyz".utf8)) }) { continue }
            var body: [UInt8] = []
            for content in contents { body += Array("--xyz\r\n\(head)".utf8) + content + [13, 10] }
            body += Array("--xyz--\r\n".utf8)
            let whole = read([body])
            #expect(whole.error == nil, "seed \(seed)")
            #expect(whole.parts.map(\.data) == contents, "seed \(seed)")
            var pieces: [[UInt8]] = []
            var rest = body[...]
            while !rest.isEmpty {
                let piece = rest.prefix(Int.random(in: 1...9, using: &random))
                pieces.append([UInt8](piece))
                rest = rest.dropFirst(piece.count)
            }
            #expect(read(pieces) == whole, "seed \(seed)")
            #expect(read(body.map { [$0] }) == whole, "seed \(seed)")
        }
    }

    @Test func whatIsNoFormIsRefused() {
        #expect(read("preamble\r\n--xyz\r\n").error == .missingBoundary)
        #expect(read("").error == .truncated)
        #expect(read("--xyz").error == .truncated)
        #expect(read("--xyz\r\n\(head)data").error == .truncated)
        #expect(read("--xyz\r\n\(head)data\r\n--xyz").error == .truncated)
        #expect(read("--xyz \r\n").error == .malformedBoundary)
        #expect(read("--xyz\r\n\(head)\r\n--xyzz\r\n").error == .malformedBoundary)
        #expect(read("--xyz-x").error == .malformedBoundary)
        #expect(read("--xyz--\r\nmore").error == .trailingBytes)
        #expect(read("--xyz\r\nContent-Disposition form-data\r\n\r\n").error == .malformedHeader)
        #expect(read("--xyz\r\nContent-Disposition: form-data; name=\"a\"\n\n").error == .malformedHeader)
        #expect(read("--xyz\r\n\r\n").error == .missingName)
        #expect(read("--xyz\r\nContent-Disposition: attachment; name=\"a\"\r\n\r\n").error == .missingName)
        #expect(read("--xyz\r\nContent-Disposition: form-data; name=\"a\"; name=\"b\"\r\n\r\n").error == .missingName)
        #expect(read("--xyz\r\nContent-Disposition: form-data; name=\"a\r\n\r\n").error == .missingName)
        #expect(read("--xyz\r\nContent-Transfer-Encoding: base64\r\n\(head)").error == .unsupportedEncoding)
    }

    @Test func theContentTypeMustNameOneBoundary() {
        for type in [
            "multipart/form-data", "multipart/mixed; boundary=xyz", "application/json", "multipart/form-data; boundary=",
            "multipart/form-data; boundary=xyz; boundary=abc", "multipart/form-data; boundary=\"x\u{1}\"",
            "multipart/form-data; boundary=" + String(repeating: "x", count: 71), "multipart/form-data; boundary=\"x \"",
        ] {
            #expect(read([], contentType: type).error == .invalidContentType, "\(type)")
        }
        let body = Array("--xyz\r\n\(head)1\r\n--xyz--".utf8)
        #expect(read([body], contentType: "Multipart/Form-Data; charset=utf-8; Boundary=\"xyz\"").parts.count == 1)
    }

    @Test func partsAndTheirHeadsAreBounded() {
        var limits = MultipartParser.Limits()
        limits.maxParts = 2
        limits.maxHeaderBytes = 100
        let part = "--xyz\r\n\(head)1\r\n"
        #expect(read(part + part + "--xyz--", limits: limits).error == nil)
        #expect(read(part + part + part + "--xyz--", limits: limits).error == .tooManyParts(limit: 2))
        let long = "--xyz\r\nX-Long: " + String(repeating: "x", count: 200)
        #expect(read(long, limits: limits).error == .headerTooLarge(limitBytes: 100))
        let many = "--xyz\r\n" + String(repeating: "X: y\r\n", count: 40)
        #expect(read(many, limits: limits).error == .headerTooLarge(limitBytes: 100))
    }
}

extension [UInt8] {
    fileprivate func containsRun(_ run: [UInt8]) -> Bool {
        guard count >= run.count else { return false }
        return (0...(count - run.count)).contains { self[$0..<($0 + run.count)].elementsEqual(run) }
    }
}

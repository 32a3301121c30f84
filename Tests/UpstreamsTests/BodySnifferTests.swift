import Testing

@testable import Upstreams

@Suite struct BodySnifferTests {
    /// What it says of a body that comes in pieces of this size, and what is left of the body then.
    private static func sniff(_ text: String, piece: Int, isLabelledStream: Bool = false) -> (BodySniffer.Kind?, rest: String) {
        var sniffer = BodySniffer()
        let bytes = Array(text.utf8)
        var position = 0
        while position < bytes.count {
            let end = min(position + piece, bytes.count)
            let (kind, left) = bytes[position..<end].withUnsafeBytes { bytes in
                var rest = bytes
                let kind = sniffer.take(&rest, isLabelledStream: isLabelledStream)
                return (kind, rest.count)
            }
            if let kind { return (kind, String(decoding: sniffer.beginning + bytes[(end - left)...], as: UTF8.self)) }
            position = end
        }
        return (nil, String(decoding: sniffer.beginning, as: UTF8.self))
    }

    @Test(
        arguments: [
            ("data: {}\n\n", .stream, "data: {}\n\n"),
            ("\u{FEFF}data: x\n\n", .stream, "data: x\n\n"),
            (": heartbeat\n\n: again\r\n\r\nevent: x\n", .stream, "event: x\n"),
            ("error: {\"message\":\"x\"}\n\n", .stream, "error: {\"message\":\"x\"}\n\n"),
            ("data\n\n", .stream, "data\n\n"),
            ("{\"choices\":[]}", .whole, "{\"choices\":[]}"),
            ("\r\n \t\n[{}]", .whole, "[{}]"),
            (": data: x\n\n{\"error\":{}}", .whole, "{\"error\":{}}"),
            ("<html>", .other, "<html>"),
            ("Error: no", .other, "Error: no"),
            (String(repeating: "x", count: 50), .other, String(repeating: "x", count: 50)),
        ] as [(String, BodySniffer.Kind, String)])
    func theBeginningTells(_ body: String, _ kind: BodySniffer.Kind, _ rest: String) {
        for piece in [1, 2, 3, 1000] {
            let found = Self.sniff(body, piece: piece)
            #expect(found.0 == kind && found.rest == rest, "in pieces of \(piece): \(found)")
        }
    }

    @Test func aFieldThatNobodyKnowsMayBeginAStreamThatIsLabelledOne() {
        #expect(Self.sniff("foo: bar\ndata: x\n\n", piece: 100, isLabelledStream: true).0 == .stream)
        #expect(Self.sniff("foo: bar\ndata: x\n\n", piece: 100).0 == .other)
        #expect(Self.sniff("Internal Server Error", piece: 100, isLabelledStream: true).0 == nil)
        #expect(Self.sniff("Internal Server Error: disk\n", piece: 100, isLabelledStream: true).0 == .other)
    }

    @Test(arguments: ["upstream connect error", "database is locked"]) func aShortLineMayStillBecomeAField(_ body: String) {
        let found = Self.sniff(body, piece: 3)
        #expect(found.0 == nil && found.rest == body)
    }

    @Test(arguments: ["", "\n\n", ": only\n\n: comments\n\n"]) func nothingSaysNothing(_ body: String) {
        let found = Self.sniff(body, piece: 1)
        #expect(found.0 == nil && found.rest.isEmpty)
    }
}

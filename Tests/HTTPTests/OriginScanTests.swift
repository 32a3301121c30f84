import HTTP
import Testing

/// The page that sent a head which was refused before its end.
@Suite struct OriginScanTests {
    private func scan(_ text: String, isWithinLine: Bool = false, pieceBytes: Int = 3) -> OriginScan {
        var scan = OriginScan(isWithinLine: isWithinLine)
        let bytes = Array(text.utf8)
        for start in stride(from: 0, to: bytes.count, by: pieceBytes) {
            bytes[start..<min(start + pieceBytes, bytes.count)].withUnsafeBytes { scan.scan($0) }
        }
        return scan
    }

    @Test(arguments: [1, 2, 1000])
    func itIsFoundBehindTheLineThatWasRefused(pieceBytes: Int) {
        let found = scan(
            "rest of it\r\nHost: a\r\nORIGIN:  http://a \r\nnonsense\r\n\r\nOrigin: http://b\r\n", isWithinLine: true,
            pieceBytes: pieceBytes)
        #expect(found.origin == "http://a" && found.isDone)
    }

    @Test func twoOfThemAreNone() {
        let found = scan("Origin: http://a\r\nOrigin: http://b\r\n\r\n")
        #expect(found.origin == nil && found.isDone)
    }

    @Test func theLineThatWasRefusedIsNotLookedAt() {
        #expect(scan("Origin: http://a\r\n\r\n", isWithinLine: true).origin == nil)
    }

    @Test func itEndsAtItsBound() {
        let found = scan(String(repeating: "x", count: 200_000), pieceBytes: 1000)
        #expect(found.origin == nil && found.isDone)
    }
}

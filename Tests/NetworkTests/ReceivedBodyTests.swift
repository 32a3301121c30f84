import Testing

@testable import Network

@Suite struct ReceivedBodyTests {
    @Test(arguments: [1, 1000, 65_536, 1_000_000, 3_000_000])
    func isWholeHoweverItCame(pieceByteCount: Int) {
        var body = ReceivedBody()
        body.reserveCapacity(5_000_000)
        var expected: [UInt8] = []
        var number: UInt8 = 0
        while expected.count < (pieceByteCount == 1 ? 2000 : 5_000_000) {
            let piece = [UInt8](repeating: number, count: pieceByteCount)
            number &+= 1
            piece.withUnsafeBytes { body.append($0) }
            expected += piece
        }
        #expect(body.count == expected.count && !body.isEmpty)
        #expect(body.joined == expected)
    }
}
